"""Pictures: the bytes of JPEGs become pixels, each written once, where it stands in the batch."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.order import key_of
from streamer.recipe_column import Jpeg
from streamer.stages import Occasion, crew
from streamer.stages.random_crop import Part, draws, middle_part, random_part
from wire.elements import Batch, Column, ElementSpec, Field, Ragged
from wire.errors import InvalidInput, NotFound

Pixels = npt.NDArray[np.uint8]

_MOST_PIXELS = 1 << 27
_SMALLER = 2
"""A picture is decoded at half its size or less, where that is enough: between that and its size it costs more."""


@functools.cache
def _libraries() -> tuple[Any, Any]:
    """What decodes, and what resizes. Raises NotFound."""
    try:
        decoder, resizer = importlib.import_module("simplejpeg"), importlib.import_module("cv2")
    except ImportError as error:
        raise NotFound(
            f"pictures need simplejpeg and OpenCV: {error.name} is not installed",
            fix="pip install 'wafer-streamer[images]', on every machine that hosts a worker",
        ) from error
    resizer.setNumThreads(1)  # a picture is one thread's
    return decoder, resizer


class Pictures:
    """A RowMap: column `name`, lists of bytes, becomes pictures of (*size, 3) uint8.

    A picture's part and whether it is mirrored are a function of (seed, epoch, row). Raises NotFound where the
    libraries are not installed.
    """

    def __init__(self, name: str, jpeg: Jpeg) -> None:
        self._name, self._jpeg = name, jpeg
        self._scratch = threading.local()
        _libraries()

    def spec(self, spec: ElementSpec) -> ElementSpec:
        return ElementSpec(tuple(self._field(field) if field.name == self._name else field for field in spec.fields))

    def apply(self, batch: Batch, occasion: Occasion) -> dict[str, Column]:
        column = batch[self._name]
        assert isinstance(column, Ragged)  # `spec` has seen it  # noqa: S101
        pixels = np.empty((len(column), *self._jpeg.size, 3), np.uint8)
        data, edges = column.values.view(np.uint8), column.offsets.tolist()

        def work(start: int, stop: int) -> None:
            for place in range(start, stop):
                self._decode(data[edges[place] : edges[place + 1]], pixels[place], occasion, place)

        crew.share(len(column), work)
        return {**batch, self._name: pixels}

    def _field(self, field: Field) -> Field:
        if not field.ragged or field.dtype != "uint8" or field.shape:
            raise InvalidInput(f"column {field.name!r} holds {field}, no bytes", where=f"columns.{field.name}.jpeg")
        return dataclasses.replace(field, ragged=False, shape=(*self._jpeg.size, 3))

    def _decode(self, data: Pixels, out: Pixels, occasion: Occasion, place: int) -> None:
        row = int(occasion.rows[place])
        try:
            self._write(data, out, key_of(occasion.seed, occasion.epoch, row))
        except ValueError as error:
            raise InvalidInput(
                f"column {self._name!r} holds no JPEG here: {error}",
                where=occasion.where(row),
                fix="leave the row out, mend it, or pass over a few such samples with `bad_samples: skip`",
            ) from error

    def _write(self, data: Pixels, out: Pixels, key: int) -> None:
        """Decode, cut and resize. Raises ValueError for what is no JPEG, or a damaged one."""
        decoder, resizer = _libraries()
        height, width = decoder.decode_jpeg_header(data)[:2]
        if height * width > _MOST_PIXELS:
            raise ValueError(f"{width:,} x {height:,} pixels are too many")
        numbers = draws(key)
        mirrored = self._jpeg.flip and next(numbers) < 0.5
        part = self._part(height, width, numbers)
        whole = self._decoded(data, height, width, part)
        down, right = whole.shape[0] / height, whole.shape[1] / width
        top, left = int(part.top * down), int(part.left * right)
        tall, wide = max(1, round(part.height * down)), max(1, round(part.width * right))
        cut = whole[top : top + tall, left : left + wide]
        resizer.resize(cut, out.shape[1::-1], dst=out, interpolation=resizer.INTER_LINEAR_EXACT)
        if mirrored:
            resizer.flip(out, 1, dst=out)

    def _part(self, height: int, width: int, numbers: Any) -> Part:
        if self._jpeg.crop == "random":
            return random_part(height, width, numbers)
        if self._jpeg.crop == "whole":
            return Part(0, 0, height, width)
        return middle_part(height, width, self._jpeg.size[1] / self._jpeg.size[0])

    def _decoded(self, data: Pixels, height: int, width: int, part: Part) -> Pixels:
        """The picture in this thread's own memory, as small as leaves the part no smaller than what is made of it."""
        decoder, _ = _libraries()
        tall, wide = (
            -(-side * wanted // cut)
            for side, wanted, cut in zip((height, width), self._jpeg.size, (part.height, part.width), strict=True)
        )
        found: Pixels = decoder.decode_jpeg(
            data, "RGB", min_height=tall, min_width=wide, min_factor=_SMALLER, buffer=self._memory(height * width * 3)
        )
        return found

    def _memory(self, size: int) -> Pixels:
        kept: Pixels | None = getattr(self._scratch, "pixels", None)
        if kept is None or len(kept) < size:
            self._scratch.pixels = kept = np.empty(size, np.uint8)
        return kept
