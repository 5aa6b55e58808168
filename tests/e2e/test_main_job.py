"""The main job with real processes, real gRPC and real data: train, resume, evaluate; the same bits every time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Service, performance, weights_digest

pytestmark = pytest.mark.e2e

SHORT = ("--max_steps", "60", "runconfig.checkpoint_steps", "30")


@pytest.fixture(scope="module")
def whole(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model_dir of an undisturbed short run with one worker and the default four streams."""
    model_dir = tmp_path_factory.mktemp("whole")
    done = shared_service.run("--model_dir", str(model_dir), "--num_workers", "1", *SHORT)
    assert done.code == 0, done.said
    return model_dir


def test_train_resume_and_evaluate_reaches_97_percent(shared_service: Service, tmp_path: Path) -> None:
    """Three epochs in two sittings, the second going on where the first ended, classify 97 % of the 10,000 images."""
    first = shared_service.run("--model_dir", str(tmp_path), "--max_steps", "400")
    assert first.code == 0, first.said
    second = shared_service.run("--model_dir", str(tmp_path), "--max_steps", "702")
    assert second.code == 0, second.said
    assert "checkpoint_400" in second.said
    assert performance(tmp_path)["total_samples"] == 302 * 256
    evaluated = shared_service.run("--mode", "eval", "--model_dir", str(tmp_path))
    assert evaluated.code == 0, evaluated.said
    result = performance(tmp_path, "eval")
    assert result["total_samples"] == 10_000
    assert result["metrics"]["accuracy"] >= 0.97


def test_the_same_seed_gives_the_same_bits_for_1_2_and_4_workers(
    shared_service: Service, whole: Path, tmp_path: Path
) -> None:
    """Final weights and optimizer state are equal whatever the number of workers, each time that a run is repeated."""
    for workers in ("2", "4"):
        folder = tmp_path / workers
        done = shared_service.run("--model_dir", str(folder), "--num_workers", workers, *SHORT)
        assert done.code == 0, done.said
        assert weights_digest(folder, 60) == weights_digest(whole, 60)
        ends = [(each / "checkpoint_60" / "optimizer.safetensors").read_bytes() for each in (folder, whole)]
        assert ends[0] == ends[1]


def test_a_resumed_run_ends_with_the_bits_of_an_undisturbed_one(
    shared_service: Service, whole: Path, tmp_path: Path
) -> None:
    """Sixty steps in one run, or thirty and then thirty more, are the same weights."""
    assert shared_service.run("--model_dir", str(tmp_path), "--max_steps", "30").code == 0
    assert shared_service.run("--model_dir", str(tmp_path), "--max_steps", "60").code == 0
    assert weights_digest(whole, 60) == weights_digest(tmp_path, 60)


@pytest.mark.parametrize("streams", ["1", "7"])
def test_the_number_of_streams_does_not_change_the_bits(
    shared_service: Service, whole: Path, tmp_path: Path, streams: str
) -> None:
    """One stream, four or seven: the batches of an indexed source are the same."""
    options = ("runconfig.num_streams", streams, "--num_workers", "1")
    done = shared_service.run("--model_dir", str(tmp_path), *options, *SHORT)
    assert done.code == 0, done.said
    assert weights_digest(tmp_path, 60) == weights_digest(whole, 60)


def test_two_replicas_train_and_their_checkpoint_says_so(shared_service: Service, tmp_path: Path) -> None:
    """With --multireplica the global batch is split, the same bits come twice, and a run that goes on keeps two."""
    for name in ("a", "b"):
        done = shared_service.run("--model_dir", str(tmp_path / name), "--multireplica", *SHORT)
        assert done.code == 0, done.said
        assert "64 fit on the wafer and help; this run simulates 2" in done.said
    manifest = json.loads((tmp_path / "a" / "checkpoint_60" / "manifest.json").read_text())
    assert manifest["data"]["replicas"] == 2
    assert weights_digest(tmp_path / "a", 60) == weights_digest(tmp_path / "b", 60)
    more = ("--max_steps", "61", "runconfig.max_simulated_replicas", "4")
    on = shared_service.run("--model_dir", str(tmp_path / "a"), "--multireplica", *more)
    assert on.code == 0, on.said
    assert "this run has 2, as its checkpoint" in on.said


def test_mixed_precision_off_and_sgd_train_too(shared_service: Service, tmp_path: Path) -> None:
    """Overrides as the documents write them choose float32 and another optimizer."""
    overrides = ("model.mixed_precision", "False", "optimizer.optimizer_type", "SGD", "optimizer.momentum", "0.9")
    done = shared_service.run("--model_dir", str(tmp_path), "--max_steps", "40", *overrides)
    assert done.code == 0, done.said
    assert "Training Completed Successfully!" in done.said


def test_a_run_leaves_what_csoft_leaves(shared_service: Service, tmp_path: Path) -> None:
    """performance.json, the params in force, TensorBoard events, an executable, and checkpoints up to the limit."""
    limits = ("runconfig.keep_checkpoint_max", "2", "runconfig.checkpoint_steps", "20")
    done = shared_service.run("--model_dir", str(tmp_path), "--max_steps", "60", *limits)
    assert done.code == 0, done.said
    figures = performance(tmp_path)
    assert figures["total_samples"] == 60 * 256
    assert 850e6 / 464 <= figures["est_samples_per_sec"] <= 850e6 / 169
    assert figures["delta_t"] == pytest.approx(figures["Frequency"] / figures["est_samples_per_sec"])
    assert len(figures["ordinals"]) == 2
    assert (tmp_path / "train" / "params_train.yaml").is_file()
    assert list((tmp_path / "train").glob("events.out.tfevents.*"))
    assert len(list(tmp_path.glob("cs_" + "?" * 64))) == 1
    assert sorted(p.name for p in tmp_path.glob("checkpoint_*")) == ["checkpoint_40", "checkpoint_60"]
    again = shared_service.run("--model_dir", str(tmp_path), "--max_steps", "61")
    assert "cached" in again.said


def test_status_shows_the_job_and_its_workers(shared_service: Service, whole: Path) -> None:
    """After a run the coordinator's status lists it as finished, with its rate and its streams."""
    command = [BIN / "wafer_sim", "status", "--coordinator", shared_service.address, "--json"]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    (run,) = (each for each in shown["runs"] if each["spec"]["model_dir"] == str(whole))
    assert run["state"] == "finished"
    assert int(run["progress"]["step"]) == 60
    assert sum(int(stream["samples"]) for stream in run["progress"]["streams"]) == 60 * 256
