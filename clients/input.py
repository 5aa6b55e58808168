"""A loader as the wafer's input: what it is, where it is read, and how many batches of which size it has."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from clients.roles import workers_of
from clients.sections import RunConfig
from clients.skipping import bad_samples_of
from wire.elements import ElementSpec
from wire.errors import InvalidInput
from wire.schema import spec_to_bytes
from wire.v1 import run_pb2

if TYPE_CHECKING:
    from streamer.pipeline import Input

DEFAULT_STREAMS = 4
EVAL_SEED = 0


@dataclass(frozen=True, slots=True)
class LoaderInput:
    """What a loader gives. recipe: JSON of a native recipe, "" for a user's own loader.

    rows: None where the source is sequential. batch_size: of a whole step. description: one sentence for people.
    prefetch: batches kept ready in each stream; 0: workers find out. opened: the data, opened here.
    """

    spec: ElementSpec
    batch_size: int
    rows: int | None
    shuffle: bool
    drop_last: bool
    recipe: str
    description: str
    seed: int | None = None
    prefetch: int = 0
    opened: Input | None = None

    @classmethod
    def of(cls, loader: Iterable[Any]) -> LoaderInput:
        """Look at a loader. Raises InvalidInput for one that gives nothing, or whose data is not there."""
        recipe = getattr(loader, "recipe", None)
        return cls._of_recipe(recipe) if recipe is not None else cls._of_loader(loader)

    @classmethod
    def _of_recipe(cls, recipe: Any) -> LoaderInput:
        from streamer.pipeline import recipe_input

        hosted = recipe_input(recipe)
        return cls(
            hosted.spec,
            recipe.batch_size,
            hosted.rows,
            recipe.shuffle,
            recipe.drop_last_batch,
            recipe.to_json(),
            hosted.describe(),
            recipe.shuffle_seed,
            recipe.prefetch,
            hosted,
        )

    @classmethod
    def _of_loader(cls, loader: Iterable[Any]) -> LoaderInput:
        from streamer.pipeline import loader_input
        from streamer.randomness import undisturbed

        with undisturbed():  # a task that hosts it may be looking at it as the chief that it is now
            hosted = loader_input(loader)
        traits = hosted.traits
        if traits is None or traits.batch_size is None:
            raise InvalidInput("the loader gives single samples", fix="give the DataLoader a batch_size")
        spec, rows, said = hosted.spec, hosted.rows, hosted.describe()
        return cls(spec, traits.batch_size, rows, traits.shuffle, traits.drop_last, "", said, opened=hosted)

    def steps_per_epoch(self) -> int | None:
        """Full batches in one walk through the data; None where nobody knows."""
        return None if self.rows is None else self.rows // self.batch_size

    def batch_sizes(self, loader: Iterable[Any], steps: int | None = None) -> list[int]:
        """The sizes of the batches that an evaluation meets. A sequential loader is walked through once to know.

        steps: how many batches are evaluated, None for all. Raises InvalidInput where there is none.
        """
        if self.rows is not None:
            whole, left = divmod(self.rows, self.batch_size)
            sizes = ([self.batch_size] if whole else []) + ([left] if left and not self.drop_last else [])
        else:
            from streamer.structure import flatten

            sizes = sorted(Counter(len(next(iter(flatten(batch).values()))) for batch in islice(loader, steps)))
        if not sizes:
            raise InvalidInput("the evaluation set has no batch", fix="lower batch_size, or set drop_last_batch: False")
        return sizes


def train_plan(source: LoaderInput, config: RunConfig, replicas: int) -> run_pb2.DataPlan:
    """The data plan of a training run: for ever, full batches only. Raises InvalidInput."""
    if not source.drop_last:
        raise InvalidInput(
            "the wafer takes batches of one size, and the last one of an epoch may be smaller",
            where="train_input.drop_last_batch",
            fix="set drop_last_batch: True",
        )
    if source.batch_size % replicas:
        raise InvalidInput(
            f"a batch of {source.batch_size} samples cannot be split among {replicas} replicas",
            where="train_input.batch_size",
            fix=f"make it a multiple of {replicas}; it counts the samples of all replicas",
        )
    steps = source.steps_per_epoch()
    if steps == 0:
        raise InvalidInput(
            f"{source.rows} samples give no full batch of {source.batch_size}",
            where="train_input.batch_size",
            fix="lower it",
        )
    return _plan(source, config, run_pb2.DataPlan(replicas=replicas, drop_remainder=True), steps)


def eval_plan(source: LoaderInput, config: RunConfig) -> run_pb2.DataPlan:
    """The data plan of an evaluation: the whole set once, the last partial batch included unless it is dropped."""
    steps = None if source.rows is None else -(-source.rows // source.batch_size)
    if steps is not None and config.num_streams is not None:  # it was chosen for training, whose epochs are longer
        config = config.model_copy(update={"num_streams": max(1, min(config.num_streams, steps))})
    return _plan(source, config, run_pb2.DataPlan(replicas=1, epochs=1, drop_remainder=source.drop_last), steps)


def _plan(source: LoaderInput, config: RunConfig, of_mode: run_pb2.DataPlan, steps: int | None) -> run_pb2.DataPlan:
    plan = run_pb2.DataPlan(
        streams=streams_of(config, of_mode.replicas, steps, workers_of(os.environ)),
        batch_size=source.batch_size,
        seed=config.seed if source.seed is None else source.seed,
        shuffle=source.shuffle,
        prefetch=config.prefetch or source.prefetch,
        element_spec=spec_to_bytes(source.spec),
        recipe=source.recipe,
        rows=source.rows or 0,
        bad_samples=bad_samples_of(config),
    )
    plan.MergeFrom(of_mode)
    return plan


def streams_of(config: RunConfig, replicas: int, steps: int | None, launched: int = 0) -> int:
    """Streams of a run: what the user says, else enough for a few workers; never more than an epoch has batches.

    launched: workers that a launcher brings; none of them is to be idle.
    """
    if config.num_streams is not None:
        if config.num_streams < replicas:
            raise InvalidInput(
                f"{config.num_streams} streams cannot feed {replicas} replicas",
                where="runconfig.num_streams",
                fix=f"at least {replicas} are needed for a model with {replicas} replicas",
            )
        if steps is not None and config.num_streams > steps * replicas:
            raise InvalidInput(
                f"{config.num_streams} streams are more than an epoch has batches ({steps * replicas})",
                where="runconfig.num_streams",
                fix="lower it, or the batch_size",
            )
        return config.num_streams
    wanted = max(DEFAULT_STREAMS, replicas, config.workers, launched)
    return wanted if steps is None else max(replicas, min(wanted, steps * replicas))
