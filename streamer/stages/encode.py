"""Encode: frames grouped into messages, large enough that what a message costs is shared by many batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from streamer.tuning import MESSAGE_BYTES
from wire.codec import Frame, Packed, Shelf, pack
from wire.elements import ElementSpec

_LINGER_S = 0.002
_LONGEST_REST = 64

GetSome = Callable[[int, int, float | None, float], list[Frame]]
"""most, bytes, timeout, linger: as wire.seam.Seam.get_some."""


class Lingering:
    """How long a message waits for more frames: not at all for a while, where none came the last times. Pure."""

    def __init__(self) -> None:
        self._rest, self._left = 0, 0

    @property
    def seconds(self) -> float:
        return 0.0 if self._left else _LINGER_S

    def gave(self, frames: int) -> None:
        """The message got so many. Each time that waiting gave only the first, the rest after it is twice as long."""
        if frames > 1:
            self._rest = self._left = 0
        elif self._left:
            self._left -= 1
        else:
            self._rest = min(_LONGEST_REST, max(1, 2 * self._rest))
            self._left = self._rest


class Encoder:
    """Groups and packs the frames of one spec into messages of about `message_bytes`, which may change."""

    def __init__(self, spec: ElementSpec, message_bytes: int = MESSAGE_BYTES) -> None:
        self._spec = spec
        self.message_bytes = message_bytes

    def messages(self, frames: Sequence[Frame], shelf: Shelf | None = None) -> Iterator[Packed]:
        """gRPC messages with these frames: one for each that was made in its own, one for others between them.

        Raises wire.schema.CodecError for a batch that is not of the spec.
        """
        for alone, some in groupby(frames, lambda frame: frame.room is not None and frame.room.envelope is not None):
            for together in ([frame] for frame in some) if alone else (list(some),):
                yield pack(together, self._spec, shelf)

    def group(self, get_some: GetSome, lingering: Lingering, timeout: float | None, most: int = 1 << 30) -> list[Frame]:
        """The frames of the next message: one, and those that are ready then, up to `most` and to the message size.

        get_some: a pipeline's. lingering: the push's own. Raises what it raises for the first frame; later errors
        wait for the next call.
        """
        frames = get_some(most, self.message_bytes, timeout, lingering.seconds)
        lingering.gave(len(frames))
        return frames
