"""What an assignment means for a worker: the input of the run, opened, with the run's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamer.pipeline import Input, StreamPipeline, StreamSettings, recipe_input
from streamer.recipe import Recipe
from streamer.resume import Resume
from streamer.stages import Rooms
from streamer.stages.encode import Encoder
from streamer.tuning import Tuning
from streamer.user_loader import read_params, user_input
from wire.cursor import Cursor
from wire.elements import STRING, ElementSpec
from wire.errors import InvalidInput
from wire.schema import spec_from_bytes
from wire.v1 import coordinator_pb2, run_pb2

DATA_FUNCTIONS = {run_pb2.MODE_TRAIN: "get_train_dataloader", run_pb2.MODE_EVAL: "get_eval_dataloader"}
_MODES = {run_pb2.MODE_TRAIN: "train", run_pb2.MODE_EVAL: "eval"}


@dataclass(frozen=True, slots=True)
class AssignedInput:
    """The input of one run, ready to open any of its streams. tuning: None where prefetch is given."""

    run_id: str
    hosted: Input
    settings: StreamSettings
    encoder: Encoder
    tuning: Tuning | None = None

    def open(self, cursor: Cursor, resume: Resume | None = None, rooms: Rooms | None = None) -> StreamPipeline:
        return self.hosted.open(self.settings, cursor, resume, rooms)

    def describe(self) -> str:
        return self.hosted.describe()


def open_input(
    assignment: coordinator_pb2.Assignment, data: str | None, params: str | None, data_root: Path | None
) -> AssignedInput:
    """Open what a run reads: the user's loader named by `data` on this worker, else the job's recipe.

    Raises Fault, and InvalidInput where the elements are not those that the job takes.
    """
    plan = assignment.data
    if data:
        given = read_params(Path(params) if params else None)
        function, mode = DATA_FUNCTIONS[assignment.mode], _MODES[assignment.mode]
        hosted = user_input(data, function, given, data_root, plan.seed, mode)
    else:
        hosted = recipe_input(Recipe.from_json(plan.recipe), data_root)
    return assigned(assignment, hosted)


def assigned(assignment: coordinator_pb2.Assignment, hosted: Input) -> AssignedInput:
    """An input that is open already, with a run's settings. Raises InvalidInput where it is not what the job takes."""
    plan = assignment.data
    _require_same(hosted.spec, spec_from_bytes(plan.element_spec), plan.rows, hosted.rows or 0)
    tuning = None if plan.prefetch else Tuning.starting(_batch_bytes(hosted.spec, plan), len(assignment.streams))
    settings = StreamSettings(
        batch_size=plan.batch_size,
        replicas=plan.replicas,
        streams=plan.streams,
        drop_remainder=plan.drop_remainder,
        epochs=plan.epochs or None,
        seed=plan.seed,
        shuffle=plan.shuffle,
        prefetch=tuning.settings.prefetch if tuning else plan.prefetch,
        pass_bad=plan.HasField("bad_samples"),
    )
    return AssignedInput(assignment.run_id, hosted, settings, Encoder(hosted.spec), tuning)


def _batch_bytes(spec: ElementSpec, plan: run_pb2.DataPlan) -> float:
    """Of a stream's batch: the numbers in it, as they are read; text and ragged values are seen as they come."""
    numbers = [field for field in spec.fields if field.dtype != STRING and not field.ragged]
    sample = sum(field.size * np.dtype(field.dtype).itemsize for field in numbers)
    return sample * plan.batch_size / max(1, plan.replicas)


def _require_same(mine: ElementSpec, job: ElementSpec, job_rows: int, my_rows: int) -> None:
    fix = "start the worker with the loader, params and data of the job"
    if mine != job:
        raise InvalidInput(f"this worker's data has ({mine}), the job takes ({job})", fix=fix)
    if job_rows != my_rows:
        raise InvalidInput(f"this worker's data has {my_rows:,} rows, the job's has {job_rows:,}", fix=fix)
