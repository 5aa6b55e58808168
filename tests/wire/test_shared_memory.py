"""Memory shared by two processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from wire import shared_memory
from wire.shared_memory import find, machine, share

WRITER = """
import sys
from wire.shared_memory import find
from wire.v1 import ingest_pb2
memory = find(ingest_pb2.SharedMemory.FromString(bytes.fromhex(sys.argv[1])))
memory[5:8] = [1, 2, 3]
"""


def descriptors():
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_another_process_writes_is_seen():
    """The memory is the same in both, and outlives the one that found it."""
    shared = share(100_000)
    subprocess.run([sys.executable, "-c", WRITER, shared.offer().SerializeToString().hex()], check=True)
    assert shared.memory[:9].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 0]
    assert shared.memory.shape == (100_000,)


def test_another_memory_is_not_taken_for_it():
    """The key, the size and the number of the file have to be those of the offer."""
    shared, other = share(4096), share(4096)
    for odd in ({"key": bytes(16)}, {"size": 4095}, {"descriptor": other.offer().descriptor}, {"process": 2**22 + 1}):
        offer = shared.offer()
        for name, value in odd.items():
            setattr(offer, name, value)
        assert find(offer) is None
    assert find(shared.offer()) is not None


def test_nothing_is_found_once_it_is_closed():
    """Closing twice does no harm, and what was found before stays."""
    shared = share(10)
    found = find(shared.offer())
    shared.close()
    shared.close()
    assert find(shared.offer()) is None
    shared.memory[3] = 7
    assert found[3] == 7


def test_no_file_stays_open():
    """Neither of memory that was closed, nor of one that nobody looks at any more, nor where it was found."""
    before = descriptors()
    shared = share(10)
    found = find(shared.offer())
    assert descriptors() - before <= 4  # an end of each, and of what they map
    shared.close()
    share(10)
    del shared, found
    assert descriptors() == before


def test_its_size_is_sealed():
    """Who finds it cannot cut it short, which would kill the process that looks at it."""
    shared = share(10_000)
    path = Path(f"/proc/self/fd/{shared.offer().descriptor}")
    with pytest.raises(PermissionError), path.open("r+b") as file:
        file.truncate(0)


def test_a_system_without_any_shares_none(monkeypatch):
    """Batches then travel in messages."""

    def full(*_):
        raise OSError(24, "too many open files")

    monkeypatch.setattr(shared_memory.os, "memfd_create", full)
    assert share(10) is None
    monkeypatch.delattr(shared_memory.os, "memfd_create")
    assert share(10) is None
    monkeypatch.setattr(shared_memory, "_BOOT", Path("/nowhere"))
    assert machine() == ""


def test_processes_of_a_machine_have_one_name_for_it():
    """Another process says the same."""
    words = "from wire.shared_memory import machine; print(machine())"
    said = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True).stdout
    assert said.strip() == machine() != ""
