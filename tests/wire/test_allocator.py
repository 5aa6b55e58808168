"""Memory that was freed is kept."""

import subprocess
import sys

PROGRAM = """
import ctypes, resource
from wire.allocator import keep_freed_memory
assert ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0  # PR_SET_THP_DISABLE: pages of one size everywhere
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
    """Without it each message does, twice."""
    assert faults(keeps=True) < 400
    assert faults(keeps=False) > 2000
