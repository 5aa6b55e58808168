"""Decoding in a bare loop: a process a core, its own JPEGs in memory, decoded and resized into one batch. No more."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WARM_UP = 8
PATIENCE_SECONDS = 60.0
_spawn = multiprocessing.get_context("spawn")

Pictures = npt.NDArray[np.uint8]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def decode_into(batch: Pictures, files: Sequence[bytes], scratch: Pictures) -> None:
    """Decode and stretch files into a batch, (n, height, width, 3). scratch: room for the largest picture."""
    import cv2
    import simplejpeg

    height, width = batch.shape[1:3]
    for out, data in zip(batch, files, strict=True):
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, min_factor=2, buffer=scratch)
        cv2.resize(pixels, (width, height), dst=out, interpolation=cv2.INTER_LINEAR_EXACT)


def bare_rate(
    files: Sequence[bytes], shape: tuple[int, ...], scratch_bytes: int, seconds: float
) -> tuple[float, float]:
    """Pictures a second, all processes together, and microseconds of CPU that one takes."""
    count = cores()
    begin, results = _spawn.Barrier(count), _spawn.SimpleQueue()
    shares = [files[number::count] for number in range(count)]
    processes = [
        _spawn.Process(target=_loop, args=(share, shape, scratch_bytes, seconds, begin, results), daemon=True)
        for share in shares
    ]
    for process in processes:
        process.start()
    found: list[tuple[float, float]] = [results.get() for _ in processes]
    for process in processes:
        process.join(PATIENCE_SECONDS)
    return sum(rate for rate, _ in found), sum(cpu for _, cpu in found) / len(found)


def _loop(  # noqa: PLR0913, PLR0917 - what a process is given
    files: list[bytes], shape: tuple[int, ...], scratch_bytes: int, seconds: float, begin: Any, results: Any
) -> None:
    import cv2

    cv2.setNumThreads(1)
    batch = np.empty((min(len(files), shape[0]), *shape[1:]), np.uint8)
    scratch = np.empty(scratch_bytes, np.uint8)
    decode_into(batch[:WARM_UP], files[:WARM_UP], scratch)
    begin.wait(PATIENCE_SECONDS)
    done, started, cpu = 0, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - started) < seconds:
        some = files[done % len(files) :][: len(batch)]
        decode_into(batch[: len(some)], some, scratch)
        done += len(some)
    results.put((done / spent, (time.process_time() - cpu) / done * 1e6))
