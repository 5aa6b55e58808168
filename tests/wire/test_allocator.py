"""Memory that was freed is kept."""

import subprocess
import sys

PROGRAM = """
import resource
from wire.allocator import keep_freed_memory
if {keeps}:
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
kept = [bytearray(b"x" * 2**23) for _ in range(3)]
kept.clear()
before = faults()
for _ in range(50):
    message = bytearray(b"x" * (9 * 2**20))
    del message
print((faults() - before) / 50)
"""


def faults(keeps):
    """Pages that a message of 9 MiB takes from the system, which are 2,304 at most for each copy of it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(keeps=keeps)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def test_a_large_message_takes_no_new_pages():
    """Without it each message does, twice, unless the system gives it huge ones."""
    assert faults(keeps=True) < 400
    assert faults(keeps=True) <= faults(keeps=False)
