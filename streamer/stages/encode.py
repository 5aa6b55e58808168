"""Encode: frames grouped into messages, large enough that what a message costs is shared by many batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.tuning import MESSAGE_BYTES
from wire.codec import Frame, Packed, Shelf, pack
from wire.elements import ElementSpec

_LINGER_S = 0.002

GetSome = Callable[[int, int, float | None, float], list[Frame]]
"""most, bytes, timeout, linger: as wire.seam.Seam.get_some."""


class Encoder:
    """Groups and packs the frames of one spec into messages of about `message_bytes`, which may change."""

    def __init__(self, spec: ElementSpec, message_bytes: int = MESSAGE_BYTES) -> None:
        self._spec = spec
        self.message_bytes = message_bytes

    def message(self, frames: Sequence[Frame], shelf: Shelf | None = None) -> Packed:
        """One gRPC message with these frames. Raises wire.schema.CodecError for a batch that is not of the spec."""
        return pack(frames, self._spec, shelf)

    def group(self, get_some: GetSome, timeout: float | None, most: int = 1 << 30) -> list[Frame]:
        """The frames of the next message: one, and those that are ready then, up to `most` and to the message size.

        get_some: a pipeline's. Raises what it raises for the first frame; later errors wait for the next call.
        """
        return get_some(most, self.message_bytes, timeout, _LINGER_S)
