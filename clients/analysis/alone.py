"""One stream of an input in this process, whose batches nobody sends anywhere: what making them takes."""

from __future__ import annotations

import time

from streamer.pipeline import Input, StreamSettings

PATIENCE_SECONDS = 120.0


def rate_alone(opened: Input, batch_size: int, shuffle: bool, seconds: float) -> float:
    """Samples a second of one stream, over about `seconds` after its first batch. Raises what reading raises."""
    settings = StreamSettings(batch_size, shuffle=shuffle, seed=1)
    pipeline = opened.open(settings, opened.first(settings, 0))
    try:
        pipeline.get(PATIENCE_SECONDS)
        samples, begun = 0, time.perf_counter()
        while (spent := time.perf_counter() - begun) < seconds:
            samples += pipeline.get(PATIENCE_SECONDS).rows
        return samples / spent
    finally:
        pipeline.close()
