"""Limits of one core and its memory."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.peers.task import Labels, Pixels, scaled

SECONDS = 0.5
_BATCH = 250


def copy_rate() -> float:
    """Bytes that one core copies between two buffers beyond its caches, in GB/s."""
    source = np.ones(256 * 2**20, np.uint8)
    target = np.empty_like(source)
    best = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        np.copyto(target, source)
        best = max(best, source.nbytes / (time.perf_counter() - begun) / 1e9)
    return best


def gather_rate(pixels: Pixels, labels: Labels) -> float:
    """Samples a second that one core gathers at random and casts to scaled float32, in batches."""
    order = np.random.default_rng(1).permutation(len(labels))
    batches = order[: len(order) // _BATCH * _BATCH].reshape(-1, _BATCH)
    samples, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < SECONDS:
        for rows in batches:
            scaled(pixels[rows])
            samples += len(labels[rows])
    return samples / spent
