"""The recipe: data that says what a run reads, as the `train_input` or `eval_input` section of params.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, Field

from streamer.recipe_column import STRICT, Column, Count, Positive, keys_at
from wire.errors import InvalidInput, nearest

_OF_ANY_LENGTH = ("parquet", "tfrecord", "images")


class Recipe(BaseModel):
    """What a run reads and in which order. Pure data: it travels, and no code travels with it.

    format, data_dir: which files. split: of IDX files. columns: which, in the order in which the model takes them;
    none means all, as they are. rows: of synthetic data. batch_size: samples of all replicas together.
    shuffle_block_rows: 0 shuffles fully at random. interleave_cycle_length: 0 reads file after file.
    shuffle_seed: none takes the run's. cast_at: where columns are scaled and cast. prefetch: batches kept ready;
    0: workers find out how many help.
    num_workers: accepted for CSoft's sake; how many workers read is not the recipe's affair.
    to_float16: what lands as float lands as float16. use_fake_data: synthetic data of the same spec.
    """

    model_config = STRICT
    format: Literal["parquet", "idx", "npz", "tfrecord", "images", "synthetic"]
    data_dir: str = ""
    split: Literal["train", "test"] = "train"
    columns: dict[str, Column] = Field(default_factory=dict)
    rows: Positive | None = None
    batch_size: Positive
    shuffle: bool = False
    shuffle_seed: Count | None = None
    shuffle_block_rows: Count = 0
    shuffle_window_blocks: Positive = 16
    interleave_cycle_length: Count = 0
    interleave_block_length: Positive = 1
    drop_last_batch: bool = True
    prefetch: Count = 0
    cast_at: Literal["arrival", "worker"] = "arrival"
    num_workers: Count = 0
    to_float16: bool = False
    use_fake_data: bool = False

    @classmethod
    def from_params(cls, section: dict[str, Any], where: str) -> Recipe:
        """The recipe in a section of params. where: its name, as "params.yaml: train_input".

        An eval_input reads the test split of IDX files unless it says otherwise. Raises InvalidInput with all that is
        wrong at once.
        """
        default = {"split": "test"} if "eval" in where else {}
        return cls._checked({**default, **section}, where)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote. Raises InvalidInput."""
        try:
            section = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"a recipe is no JSON: {error}") from error
        if not isinstance(section, dict):
            raise InvalidInput("a recipe is no JSON object")
        return cls._checked(section, "recipe")

    def to_json(self) -> str:
        return self.model_dump_json(exclude_defaults=True)

    @property
    def is_synthetic(self) -> bool:
        return self.format == "synthetic" or self.use_fake_data

    @classmethod
    def _checked(cls, section: dict[str, Any], where: str) -> Recipe:
        try:
            recipe = cls.model_validate(section)
        except pydantic.ValidationError as error:
            raise _refusal([_said(problem) for problem in error.errors()], where) from error
        if problems := list(recipe._contradictions()):
            raise _refusal(problems, where)
        return recipe

    def _contradictions(self) -> Iterator[str]:
        incomplete = [name for name, column in self.columns.items() if not column.dtype or column.shape is None]
        if self.format != "synthetic" and not self.data_dir:
            yield f"data_dir: is missing; format {self.format} reads files"
        if self.format == "synthetic" and not self.rows:
            yield "rows: is missing; say how many synthetic rows there are"
        if self.format == "synthetic" and (incomplete or not self.columns):
            lacking = ", ".join(incomplete) or "none given"
            yield f"columns: synthetic data needs dtype and shape of each column ({lacking})"
        yield from self._wrong_columns()
        if self.shuffle and self.interleave_cycle_length:
            yield "interleave_cycle_length: interleaving is an order of its own; set shuffle: False, or leave it out"
        if self.shuffle_block_rows and not self.shuffle:
            yield "shuffle_block_rows: has no meaning with shuffle: False"

    def _wrong_columns(self) -> Iterator[str]:
        for name, column in self.columns.items():
            yield from (f"columns.{name}.{problem}" for problem in column.contradictions())
            if column.any_length and self.format not in _OF_ANY_LENGTH:
                listed = ", ".join(_OF_ANY_LENGTH)
                yield f"columns.{name}: {self.format} has no samples of any length; jpeg, pad and pack need {listed}"
            if column.pad and column.pad.mask in self.columns:
                yield f"columns.{name}.pad.mask: there is a column {column.pad.mask!r} already; choose another name"
        if len(self.columns) > 1 and any(column.pack for column in self.columns.values()):
            yield "columns: a sample that is packed is of several rows; a column with `pack` is the only one"


def _refusal(problems: list[str], where: str) -> InvalidInput:
    head = problems[0] if len(problems) == 1 else f"{len(problems)} things are wrong"
    listed = "" if len(problems) == 1 else "".join(f"\n         - {problem}" for problem in problems)
    return InvalidInput(f"{head}{listed}", where=where)


def _said(problem: Any) -> str:
    """One of pydantic's findings for a person: the key, what is wrong, what is allowed."""
    key = ".".join(map(str, problem["loc"]))
    kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        known = keys_at(problem["loc"][1:]) if len(problem["loc"]) > 1 else list(Recipe.model_fields)
        return f"{key}: there is no such key; {nearest(str(problem['loc'][-1]), known)}"
    if kind == "missing":
        return f"{key}: is missing"
    if kind == "literal_error":
        return f"{key}: {given!r} is not allowed; allowed are {context['expected']}"
    return f"{key}: {given!r} will not do: {problem['msg'].removeprefix('Input should be ')} is needed"
