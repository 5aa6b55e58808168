"""Weight streaming through run.py: the checkpoints of the other mode, also after a kill; and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Service, serve, weights_digest
from tests.e2e.stage import STEPS, Stage, ledger, small_project, until

pytestmark = pytest.mark.e2e

STREAMING = ("--execution_strategy", "weight_streaming")


@pytest.fixture(scope="module")
def tiny_wafer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = serve(tmp_path_factory.mktemp("tiny"), "--wafer-memory", "5MB")
    yield running
    running.stop()


def test_fc_mnist_ends_with_the_weights_of_the_other_mode(shared_service: Service, tmp_path: Path) -> None:
    """The same bits, also where the mode changes between a run and the one that goes on from it."""
    streamed, whole = tmp_path / "streamed", tmp_path / "whole"
    for model_dir, first, then in ((streamed, STREAMING, ()), (whole, (), STREAMING)):
        for steps, mode in (("40", first), ("60", then)):
            done = shared_service.run("--model_dir", str(model_dir), "--max_steps", steps, *mode)
            assert done.code == 0, done.said
    assert weights_digest(streamed, 40) == weights_digest(whole, 40)
    assert weights_digest(streamed, 60) == weights_digest(whole, 60)


def test_what_does_not_fit_is_said_on_one_screen(tiny_wafer: Service, tmp_path: Path) -> None:
    """The wafer process knows the memory that wafer_sim serve was given; run.py shows the sentence."""
    refused = tiny_wafer.run("--model_dir", str(tmp_path), "--max_steps", "5")
    assert refused.code == 1
    assert "layer-pipelined" in refused.said
    assert "the wafer has 5.0 MB" in refused.said
    assert "Traceback" not in refused.said


def test_a_killed_wafer_process_changes_nothing(shared_service: Service, tmp_path: Path) -> None:
    """SIGKILL in the middle of a streamed run: it goes on from its checkpoint to the bits of the other mode."""
    folder = small_project(tmp_path / "p")
    whole = ("--model_dir", str(tmp_path / "whole"), "--num_workers", "1")
    done = shared_service.run(*whole, cwd=folder, params="params.yaml")
    assert done.code == 0, done.said
    stage, model_dir = Stage(tmp_path / "stage"), tmp_path / "streamed"
    try:
        stage.staff(1)
        chief = stage.chief(folder, model_dir, *STREAMING)
        until(lambda: stage.run(model_dir).progress.step >= STEPS // 3, "a third of the steps")
        stage.kill_wafer()
        assert chief.wait(120) == 0, stage.said()
    finally:
        stage.stop()
    assert weights_digest(model_dir, STEPS) == weights_digest(tmp_path / "whole", STEPS)
    assert ledger(model_dir).code == 0
    assert not [path for path in model_dir.iterdir() if path.name.startswith("tmp")]
