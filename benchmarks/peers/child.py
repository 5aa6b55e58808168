"""A peer's own process: python -m benchmarks.peers.child MODULE TASK. Orders come as lines of JSON, answers go back so.

    {"do": "digest", "setting": S}                an epoch, untimed        -> {"count": ..., "total": ...}
    {"do": "run", "setting": S, "seconds": T}     timed, after a warm-up   -> {"samples": ..., "seconds": ..., "cpu": s}

What it says first is {"settings": [...], "version": ...}, or {"missing": package}, or {"error": ...}.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import psutil

from benchmarks.peers.digest import Digest
from benchmarks.peers.task import Peer, Task

WARM_UP_BATCHES = 40

Answer = dict[str, Any]


def answers(peer: Peer, orders: Iterator[Answer]) -> Iterator[Answer]:
    """What a peer answers to each order."""
    work: dict[str, Callable[[Peer, Answer], Answer]] = {"digest": _digest, "run": _run}
    for order in orders:
        yield work[order["do"]](peer, order)


def _digest(peer: Peer, order: Answer) -> Answer:
    digest = Digest()
    for batch in peer.batches(order["setting"], 1):
        digest = digest.with_batch(batch)
    return {"count": digest.count, "total": digest.total}


def _run(peer: Peer, order: Answer) -> Answer:
    batches = peer.batches(order["setting"], None)
    for _ in range(WARM_UP_BATCHES):
        next(batches)
    samples, cpu, begun = 0, cpu_seconds(), time.perf_counter()
    while (spent := time.perf_counter() - begun) < order["seconds"]:
        samples += len(next(batches)[0])
    return {"samples": samples, "seconds": spent, "cpu": cpu_seconds() - cpu}


def cpu_seconds() -> float:
    """What this process and those below it have computed, in seconds; those that have ended do not count."""
    mine = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (mine, *mine.children(recursive=True)))


def main(module: str, task: str) -> None:
    """Answer until standard input closes. What libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)

        def say(answer: Answer) -> None:
            out.write(json.dumps(answer) + "\n")
            out.flush()

        try:
            kind = getattr(importlib.import_module(module), "TASK", Task)
            _serve(module, kind.from_json(task), say)
        except Exception as error:  # noqa: BLE001 - whatever another system raises is told, and it is left out
            say({"error": f"{type(error).__name__}: {error}"})


def _serve(module: str, task: Any, say: Callable[[Answer], None]) -> None:
    peers = importlib.import_module(module)
    try:
        version = metadata.version(peers.PACKAGE)
        peer: Peer = peers.open_peer(task)
    except (metadata.PackageNotFoundError, ModuleNotFoundError):
        say({"missing": peers.PACKAGE})
        return
    try:
        say({"settings": list(peer.settings), "version": f"{peers.PACKAGE} {version}"})
        for answer in answers(peer, map(json.loads, sys.stdin)):
            say(answer)
    finally:
        peer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
