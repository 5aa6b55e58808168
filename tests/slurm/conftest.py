"""A cluster and a system for all tests of Slurm, and the run that nobody disturbs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import PROJECT, weights_digest
from tests.e2e.stage import Stage
from tests.slurm.cluster import Cluster, cluster_in
from tests.slurm.training import LENGTH, STEPS


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The system: `wafer_sim serve`, which is no part of the cluster."""
    running = Stage(tmp_path_factory.mktemp("system"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def cluster(stage: Stage) -> Iterator[Cluster]:
    # munged wants a folder that all may enter, which pytest's own are not; and its socket's path is to be short.
    with tempfile.TemporaryDirectory(prefix="slurm_", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with cluster_in(Path(folder), f"{stage.mark}-cluster") as running:
            yield running


@pytest.fixture(scope="session")
def whole(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of an undisturbed run without Slurm."""
    model_dir = tmp_path_factory.mktemp("whole")
    chief = stage.chief(PROJECT, model_dir, *LENGTH, "--num_workers", "1", params="configs/params.yaml")
    assert chief.wait(120) == 0, stage.said()
    return weights_digest(model_dir, STEPS)
