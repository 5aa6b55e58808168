"""A user's own DataLoader: recognised where it can be read by row, walked where not; the same bits either way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import project
from tests.e2e.harness import Finished, Service, performance, python, weights_digest

pytestmark = pytest.mark.e2e


def train(service: Service, folder: Path, model_dir: Path, *options: str) -> Finished:
    return service.run("--model_dir", str(model_dir), *options, cwd=folder, params="params.yaml")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (project.TENSORS, "TensorDataset, 200 rows, read by row in whole batches"),
        (project.MAP_STYLE, "200 rows, read by row"),
        (project.ITERABLE, "walked from its start, because"),
    ],
    ids=["tensors", "map-style", "iterable"],
)
def test_a_loader_trains_to_the_same_bits_with_one_and_three_workers(
    shared_service: Service, tmp_path: Path, data: str, said: str
) -> None:
    """How a loader is read is said, and the number of workers does not change the final weights."""
    folder = project.write(tmp_path / "p", data=data)
    for workers in ("1", "3"):
        done = train(shared_service, folder, tmp_path / workers, "--num_workers", workers)
        assert done.code == 0, done.said
        assert said in done.said
    assert weights_digest(tmp_path / "1", 30) == weights_digest(tmp_path / "3", 30)


@pytest.mark.parametrize("data", [project.TENSORS, project.ITERABLE], ids=["tensors", "iterable"])
def test_an_evaluation_takes_every_sample_once(shared_service: Service, tmp_path: Path, data: str) -> None:
    """Two hundred samples in batches of thirty: six full ones and one of twenty."""
    folder = project.write(tmp_path / "p", data=data)
    assert train(shared_service, folder, tmp_path / "m", "--max_steps", "10").code == 0
    done = train(shared_service, folder, tmp_path / "m", "--mode", "eval")
    assert done.code == 0, done.said
    assert performance(tmp_path / "m", "eval")["total_samples"] == 200


def test_a_walked_loader_resumes_where_it_was(shared_service: Service, tmp_path: Path) -> None:
    """A sequential source is replayed to its cursor: twice fifteen steps give the bits of thirty."""
    folder = project.write(tmp_path / "p", data=project.ITERABLE)
    assert train(shared_service, folder, tmp_path / "whole").code == 0
    assert train(shared_service, folder, tmp_path / "parts", "--max_steps", "15").code == 0
    assert train(shared_service, folder, tmp_path / "parts", "--max_steps", "30").code == 0
    assert weights_digest(tmp_path / "whole", 30) == weights_digest(tmp_path / "parts", 30)


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
