"""What a worker opens for an assignment: the job's recipe or its own loader, and only if it is the job's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.assigned import open_input
from streamer.pipeline import recipe_input
from streamer.recipe import Recipe
from streamer.tuning import DEFAULT_PREFETCH
from wire.cursor import Cursor
from wire.elements import ElementSpec, Field
from wire.errors import InvalidInput, NotFound
from wire.schema import spec_to_bytes
from wire.v1 import coordinator_pb2, run_pb2

RECIPE = Recipe.from_params(
    {"format": "synthetic", "rows": 20, "batch_size": 4, "columns": {"x": {"dtype": "int32", "shape": [2]}}}, "test"
)
SPEC = recipe_input(RECIPE).spec
LOADER = """
from torch.utils.data import DataLoader

def get_train_dataloader(params):
    return DataLoader([float(i) for i in range(params["rows"])], batch_size=4)

def get_eval_dataloader(params):
    return DataLoader([int(i) for i in range(3)], batch_size=1)
"""
SHUFFLED = """
import random

from torch.utils.data import DataLoader

def get_train_dataloader(params):
    return DataLoader(random.sample(range(20), 20), batch_size=4)
"""


def assignment(spec: ElementSpec = SPEC, **changes: object) -> coordinator_pb2.Assignment:
    plan = {
        "streams": 2,
        "replicas": 1,
        "batch_size": 4,
        "drop_remainder": True,
        "epochs": 1,
        "element_spec": spec_to_bytes(spec),
        "recipe": RECIPE.to_json(),
        "rows": 20,
    }
    data = run_pb2.DataPlan(**(plan | changes))
    return coordinator_pb2.Assignment(run_id="r", data=data, mode=run_pb2.MODE_TRAIN)


def test_a_recipe_is_opened_with_the_runs_settings() -> None:
    """Stream 1 of 2 has the steps that are its turn, to the end of the one epoch."""
    opened = open_input(assignment(), None, None, None)
    pipeline = opened.open(Cursor(1))
    frames = []
    while not frames or not frames[-1].end:
        frames.append(pipeline.get(20))
    pipeline.close()
    assert [frame.rows for frame in frames] == [4, 4, 0]
    assert opened.run_id == "r"


@pytest.mark.parametrize("bounds", [None, run_pb2.BadSamples(), run_pb2.BadSamples(in_a_row=3)])
def test_bad_samples_are_passed_over_if_the_run_says_so(bounds: run_pb2.BadSamples | None) -> None:
    """The bounds are the wafer's business: here it counts that there is a word about it, even without a bound."""
    opened = open_input(assignment(**({} if bounds is None else {"bad_samples": bounds})), None, None, None)
    assert opened.settings.pass_bad == (bounds is not None)


def test_a_loader_is_built_under_the_seed_of_the_run(tmp_path: Path) -> None:
    """What it shuffles when it is made is the same for the same run, and another for another."""
    data = tmp_path / "assigned_seed_data.py"
    data.write_text(SHUFFLED)

    def rows(seed: int) -> list[int]:
        spec = ElementSpec((Field("0", "int64"),))
        opened = open_input(assignment(spec, seed=seed, recipe="", rows=20), str(data), None, None)
        pipeline = opened.open(Cursor(0))
        frame = pipeline.get(20)
        pipeline.close()
        return frame.batch["0"].tolist()

    assert rows(1) == rows(1) != rows(2)


def test_data_of_another_shape_is_refused() -> None:
    """Both element specs are named, and what to do."""
    with pytest.raises(InvalidInput, match=r"data has .* the job takes") as refused:
        open_input(assignment(ElementSpec((Field("x", "int32", (3,)),))), None, None, None)
    assert "loader" in refused.value.fix


def test_data_of_another_length_is_refused() -> None:
    """The order of samples hangs on the number of rows, so another number is another order."""
    with pytest.raises(InvalidInput, match="has 20 rows, the job's has 21"):
        open_input(assignment(rows=21), None, None, None)


def test_a_workers_own_loader_goes_before_the_recipe(tmp_path: Path) -> None:
    """It is called with the params named on the worker's command line."""
    data, params = tmp_path / "assigned_data.py", tmp_path / "params.yaml"
    data.write_text(LOADER)
    params.write_text("rows: 8\n")
    with pytest.raises(InvalidInput, match=r"this worker's data has \(.*float64") as refused:
        open_input(assignment(), str(data), str(params), None)
    assert "int32" in refused.value.what


def test_a_missing_params_file_is_named(tmp_path: Path) -> None:
    """Before any code of the user runs."""
    with pytest.raises(NotFound) as missing:
        open_input(assignment(), "data.py", str(tmp_path / "no.yaml"), None)
    assert missing.value.where == str(tmp_path / "no.yaml")


def test_a_depth_that_is_given_stays_and_one_that_is_not_is_tuned() -> None:
    """0 in the plan leaves it to the worker, which begins with 16, or with what its budget holds."""
    fixed, free = (open_input(assignment(prefetch=depth), None, None, None) for depth in (5, 0))
    assert (fixed.settings.prefetch, fixed.tuning) == (5, None)
    assert free.settings.prefetch == DEFAULT_PREFETCH
    assert free.tuning is not None
    told = assignment(batch_size=2**20)  # 8 MiB: two int32 a sample
    told.streams.extend(coordinator_pb2.StreamLease(stream=i) for i in range(4))
    assert open_input(told, None, None, None).settings.prefetch == 4  # of 128 MiB for four streams
