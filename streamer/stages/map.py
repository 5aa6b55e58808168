"""Map: numbers scaled and cast at the worker, by the same function that would do it on arrival."""

from __future__ import annotations

import dataclasses

from streamer.stages import FrameStage
from wire.codec import Frame
from wire.cursor import Cursor
from wire.elements import Column, ElementSpec, Landing, Ragged
from wire.landing import land


class Cast:
    """A Stage[Frame]: every field of `spec` with a landing lands here. What leaves is of `spec.landed()`."""

    def __init__(self, upstream: FrameStage, spec: ElementSpec) -> None:
        self._upstream = upstream
        self._landings = {field.name: field.landing for field in spec.fields if field.landing}

    @property
    def position(self) -> Cursor:
        return self._upstream.position

    def reset(self, cursor: Cursor) -> None:
        self._upstream.reset(cursor)

    def next(self) -> Frame | None:
        frame = self._upstream.next()
        if frame is None:
            return None
        landed = {name: _land(frame.batch[name], landing) for name, landing in self._landings.items()}
        return dataclasses.replace(frame, batch={**frame.batch, **landed})

    def interrupt(self) -> None:
        self._upstream.interrupt()

    def close(self) -> None:
        self._upstream.close()


def _land(column: Column, landing: Landing) -> Column:
    if isinstance(column, Ragged):
        return Ragged(land(column.values, landing), column.offsets)
    return land(column, landing)
