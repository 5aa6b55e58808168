"""A wafer process that computes nothing: it plays the part that its run's recipe names.

finish: a few events, then the end. wait: until it is told to stop or to fail. die: exits with code 7. deaf: hears
neither orders nor SIGTERM. mute: attaches never.
"""

import argparse
import json
import os
import queue
import signal
import sys
import threading

from wire.channel import Security, connect
from wire.v1 import run_pb2, run_pb2_grpc

WORDS = queue.SimpleQueue()


def say(**event):
    WORDS.put(run_pb2.WaferEvent(run=run_pb2.RunEvent(**event)))


def leave_with_the_coordinator():
    # Not sys.stdin: a daemon thread inside its lock makes the interpreter abort when it leaves.
    while os.read(0, 4096):
        pass
    os._exit(0)


def finish(orders):
    for step in (1, 2):
        say(progress=run_pb2.Progress(step=step, max_steps=2, samples_per_second=100.0))
    say(saved=run_pb2.Saved(step=2, path="/tmp/model/2"))
    say(finished=run_pb2.Finished(progress=run_pb2.Progress(step=2)))
    WORDS.put(None)
    for _ in orders:
        pass


def wait(orders):
    for order in orders:
        if order.HasField("stop"):
            say(finished=run_pb2.Finished(stopped=True))
            WORDS.put(None)
        elif order.HasField("fail"):
            say(failed=order.fail)
            WORDS.put(None)
        elif order.HasField("seams"):
            say(phase=f"{len(order.seams.seams)} seams of {order.seams.seams[0].worker}")


def die(_orders):
    sys.stdout.write("a line on stdout\n")
    sys.stdout.flush()
    sys.stderr.write("ValueError: the last line on stderr\n")
    os._exit(7)


def deaf(_orders):
    threading.Event().wait()


def main():
    parser = argparse.ArgumentParser()
    for option in ("--coordinator", "--run", "--incarnation", "--executables"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    threading.Thread(target=leave_with_the_coordinator, daemon=True).start()
    attached = run_pb2.Attached(run_id=options.run, incarnation=int(options.incarnation), ingest_address="localhost:1")
    WORDS.put(run_pb2.WaferEvent(attached=attached))
    channel = connect(options.coordinator, Security.from_environment())
    orders = run_pb2_grpc.WaferStub(channel).Attach(iter(WORDS.get, None))
    part = json.loads(next(orders).start.data.recipe).get("part", "finish")
    if part == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(phase=f"pid {os.getpid()}")
    {"finish": finish, "wait": wait, "die": die, "deaf": deaf}[part](orders)


if __name__ == "__main__":
    main()
