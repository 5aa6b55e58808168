"""Encode: frames grouped into messages, large enough that what a message costs is shared by many batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from streamer.columns import size_of
from wire.codec import Frame, Packed, Shelf, pack
from wire.elements import ElementSpec
from wire.errors import Fault
from wire.seam import SeamClosed

MESSAGE_BYTES = 1 << 20
_LINGER_S = 0.002


class Encoder:
    """Groups and packs the frames of one spec into messages of about `message_bytes`."""

    def __init__(self, spec: ElementSpec, message_bytes: int = MESSAGE_BYTES) -> None:
        self._spec = spec
        self._message_bytes = message_bytes

    def message(self, frames: Sequence[Frame], shelf: Shelf | None = None) -> Packed:
        """One gRPC message with these frames. Raises wire.schema.CodecError for a batch that is not of the spec."""
        return pack(frames, self._spec, shelf)

    def group(
        self, get: Callable[[float | None], Frame], timeout: float | None, most: int | None = None
    ) -> list[Frame]:
        """The frames of the next message: one, and those that are ready then, up to `most` and to the message size.

        get: a pipeline's `get`. Raises what it raises for the first frame; later errors wait for the next call.
        """
        frames = [get(timeout)]
        size, until = frame_bytes(frames[0]), time.monotonic() + _LINGER_S
        while size < self._message_bytes and len(frames) != most and not frames[-1].end:
            try:
                frames.append(get(max(0.0, until - time.monotonic())))
            except (TimeoutError, SeamClosed, Fault):
                break  # a seam that failed fails again: these frames go first
            size += frame_bytes(frames[-1])
        return frames


def frame_bytes(frame: Frame) -> int:
    """About how many bytes a frame has on the wire."""
    numbers = 0 if frame.row_numbers is None else frame.row_numbers.nbytes
    return sum(map(size_of, frame.batch.values())) + numbers + len(frame.loader_state)
