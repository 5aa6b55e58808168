"""A bare shared-memory ring: two processes gather rows into it, two threads of a third copy and cast them. No more."""

from __future__ import annotations

import multiprocessing
import threading
import time
from typing import Any

import numpy as np

from benchmarks.peers.task import PIXELS, SCALE, Pixels

SECONDS = 1.0
WARM_UP_SECONDS = 0.3
WRITERS = 2
SLOTS = 16
ROWS = 500
"""Of a slot: two batches, so that what a semaphore costs is shared as our own credits are."""
PATIENCE_SECONDS = 30.0
_spawn = multiprocessing.get_context("spawn")


class _Ring:
    """Slots of rows in shared memory, with a semaphore for those that are free and one for those that are full."""

    def __init__(self) -> None:
        self.memory = _spawn.RawArray("B", SLOTS * ROWS * PIXELS)
        self.free, self.full = _spawn.Semaphore(SLOTS), _spawn.Semaphore(0)
        self.over = _spawn.Event()

    def slots(self) -> Pixels:
        """(SLOTS, ROWS, PIXELS): the memory itself."""
        return np.frombuffer(self.memory, np.uint8).reshape(SLOTS, ROWS, PIXELS)


def ring_rate(pixels: Pixels, seconds: float = SECONDS) -> float:
    """Samples a second, all writers together."""
    rings = [_Ring() for _ in range(WRITERS)]
    writers = [_spawn.Process(target=_write, args=(ring, pixels), daemon=True) for ring in rings]
    readers = [_Reader(ring) for ring in rings]
    everybody: list[Any] = [*writers, *readers]
    for each in everybody:
        each.start()
    try:
        return _counted(readers, seconds)
    finally:
        for ring in rings:
            ring.over.set()
            ring.free.release()
        for each in everybody:
            each.join(PATIENCE_SECONDS)


def _counted(readers: list[_Reader], seconds: float) -> float:
    for reader in readers:
        if not reader.begun.wait(PATIENCE_SECONDS):
            raise TimeoutError(f"a writer wrote nothing within {PATIENCE_SECONDS:g} s")
    pause = threading.Event()
    pause.wait(WARM_UP_SECONDS)
    before, begun = sum(reader.rows for reader in readers), time.perf_counter()
    pause.wait(seconds)
    return (sum(reader.rows for reader in readers) - before) / (time.perf_counter() - begun)


def _write(ring: Any, pixels: Pixels) -> None:
    slots, slot = ring.slots(), 0
    order = np.random.default_rng(1).permutation(len(pixels) // ROWS * ROWS).reshape(-1, ROWS)
    while True:
        for rows in order:
            ring.free.acquire()
            if ring.over.is_set():
                ring.full.release()
                return
            np.take(pixels, rows, axis=0, out=slots[slot], mode="clip")
            ring.full.release()
            slot = (slot + 1) % SLOTS


class _Reader(threading.Thread):
    """Copies and casts what one writer writes."""

    def __init__(self, ring: _Ring) -> None:
        super().__init__(daemon=True)
        self._ring = ring
        self.rows = 0
        self.begun = threading.Event()

    def run(self) -> None:
        slots, slot = self._ring.slots(), 0
        landed = np.empty((ROWS, PIXELS), np.float32)
        while True:
            self._ring.full.acquire()
            if self._ring.over.is_set():
                return
            np.copyto(landed, slots[slot])
            self._ring.free.release()
            np.multiply(landed, SCALE, out=landed)
            self.rows += ROWS
            self.begun.set()
            slot = (slot + 1) % SLOTS
