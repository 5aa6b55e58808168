"""One column of a recipe: what is done to its values before they travel, and on arrival."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from wire.elements import NUMBERS, Number

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Jpeg(BaseModel):
    """The bytes of a JPEG become pixels, (*size, 3) uint8, red green blue.

    size: height and width. crop: `center` takes the middle, 7/8 of the largest part that has the shape of size;
    `random` a part of 8 to 100 % of the area, 3:4 to 4:3 in shape; `whole` all, stretched. flip: one picture of two is
    mirrored. What is random is a function of the run's seed, the epoch and the row.
    """

    model_config = STRICT
    size: tuple[Positive, Positive] = Field(strict=False)
    crop: Literal["center", "random", "whole"] = "center"
    flip: bool = False


class Pad(BaseModel):
    """A sequence of any length becomes one of `to` items: `fill` stands behind its end.

    mask: the name of a further column, int32 (to,), 1 where there is an item; "" adds none. cut: a longer sequence
    loses what is too much; else it is a bad sample.
    """

    model_config = STRICT
    to: Positive
    fill: int = 0
    mask: str = ""
    cut: bool = False


class Pack(BaseModel):
    """Documents one after the other, `end` behind each, are cut into samples of `to` items.

    Each item of each document is in one sample. What is left of the last sample is filled with `end`.
    """

    model_config = STRICT
    to: Positive
    end: int


class Column(BaseModel):
    """What is done to one column. Everything is optional.

    dtype: cast to it before it travels; for the bytes of a TFRecord, what they are. shape: of one sample, with as many
    numbers as before. jpeg, pad, pack: what is made of samples of any length.
    scale, offset, lands_as: on arrival (or at the worker) it becomes `x * scale + offset` in that dtype.
    """

    model_config = STRICT
    dtype: Number | None = None
    shape: tuple[Positive, ...] | None = Field(default=None, strict=False)
    jpeg: Jpeg | None = None
    pad: Pad | None = None
    pack: Pack | None = None
    scale: float = 1.0
    offset: float = 0.0
    lands_as: Literal["float16", "float32"] | None = None

    @property
    def any_length(self) -> bool:
        """Whether its samples are taken as lists of any length, be they alike or not."""
        return bool(self.jpeg or self.pad or self.pack)

    def contradictions(self) -> Iterator[str]:
        """What of it cannot go together, a sentence each."""
        if sum(made is not None for made in (self.jpeg, self.pad, self.pack)) > 1:
            yield "jpeg, pad and pack are ways of their own; choose one"
        if self.any_length and self.shape is not None:
            yield "shape: samples of any length have none; leave it out"
        if self.jpeg and self.dtype not in (None, "uint8"):
            yield "dtype: pixels are uint8; say lands_as for what they become on arrival"


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """The keys that there are where a path in `columns` (column, key, ...) has one that is unknown."""
    groups: dict[str | int, type[BaseModel]] = {"jpeg": Jpeg, "pad": Pad, "pack": Pack}
    return list((groups[path[1]] if len(path) > 2 and path[1] in groups else Column).model_fields)


assert set(NUMBERS) == set(Number.__args__)  # type: ignore[attr-defined]  # noqa: S101 - one list in two spellings
