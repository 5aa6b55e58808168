"""A user's own DataLoader: recognised where it can be read by row, walked where not; the same bits either way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.e2e import project
from tests.e2e.harness import Finished, Service, performance, python, weights_digest

pytestmark = pytest.mark.e2e


def train(service: Service, folder: Path, model_dir: Path, *options: str) -> Finished:
    return service.run("--model_dir", str(model_dir), *options, cwd=folder, params="params.yaml")


LOADERS = {
    "tensors": (project.TENSORS, "TensorDataset, 200 rows, read by row in whole batches"),
    "map-style": (project.MAP_STYLE, "200 rows, read by row"),
    "iterable": (project.ITERABLE, "walked from its start, because"),
}


@dataclass(frozen=True)
class Whole:
    """A project, how its loader is said to be read, and the model_dir of an undisturbed run with one worker."""

    folder: Path
    said: str
    model_dir: Path


@pytest.fixture(scope="module")
def wholes(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    """The name of a loader -> its whole run, made once."""

    @cache
    def made(name: str) -> Whole:
        data, said = LOADERS[name]
        folder = project.write(tmp_path_factory.mktemp(name) / "p", data=data)
        done = train(shared_service, folder, folder.parent / "m", "--num_workers", "1")
        assert done.code == 0, done.said
        assert said in done.said
        return Whole(folder, said, folder.parent / "m")

    return made


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_trains_to_the_same_bits_with_one_and_three_workers(
    shared_service: Service, wholes: Callable[[str], Whole], tmp_path: Path, name: str
) -> None:
    """How a loader is read is said, and the number of workers does not change the final weights."""
    whole = wholes(name)
    done = train(shared_service, whole.folder, tmp_path, "--num_workers", "3")
    assert done.code == 0, done.said
    assert whole.said in done.said
    assert weights_digest(whole.model_dir, 30) == weights_digest(tmp_path, 30)


@pytest.mark.parametrize("name", ["tensors", "iterable"])
def test_an_evaluation_takes_every_sample_once(
    shared_service: Service, wholes: Callable[[str], Whole], name: str
) -> None:
    """Two hundred samples in batches of thirty: six full ones and one of twenty."""
    whole = wholes(name)
    done = train(shared_service, whole.folder, whole.model_dir, "--mode", "eval")
    assert done.code == 0, done.said
    assert performance(whole.model_dir, "eval")["total_samples"] == 200


def test_a_walked_loader_resumes_where_it_was(
    shared_service: Service, wholes: Callable[[str], Whole], tmp_path: Path
) -> None:
    """A sequential source is replayed to its cursor: twice fifteen steps give the bits of thirty."""
    whole = wholes("iterable")
    for last in ("15", "30"):
        assert train(shared_service, whole.folder, tmp_path, "--max_steps", last, "--num_workers", "1").code == 0
    assert weights_digest(whole.model_dir, 30) == weights_digest(tmp_path, 30)


def test_a_worker_started_by_hand_brings_the_loader_itself(shared_service: Service, tmp_path: Path) -> None:
    """With --num_workers 0 a run is fed by `streamer worker --data data.py --params P`."""
    folder = project.write(tmp_path / "p")
    shared_service.worker("--data", str(folder / "data.py"), "--params", str(folder / "params.yaml"))
    done = train(shared_service, folder, tmp_path / "m", "--num_workers", "0")
    assert done.code == 0, done.said


def test_the_same_project_trains_without_the_wafer(tmp_path: Path) -> None:
    """Without --cs_ip it is a plain loop over the loader."""
    folder = project.write(tmp_path / "p")
    done = python("run.py", "--params", "params.yaml", "--model_dir", str(tmp_path / "m"), cwd=folder)
    assert done.code == 0, done.said
    assert "Training Completed Successfully!" in done.said
