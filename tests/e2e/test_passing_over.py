"""What a run is told to pass over, end to end: steps of the input, and samples that cannot be read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import project
from tests.e2e.harness import BIN, Finished, Service, weights_digest

pytestmark = pytest.mark.e2e

BROKEN = "if i in (7, 150): raise OSError('unreadable')"


def train(service: Service, folder: Path, model_dir: Path, *options: str) -> Finished:
    return service.run("--model_dir", str(model_dir), "--num_workers", "1", *options, cwd=folder, params="params.yaml")


def ledger(model_dir: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and content of `wafer_sim ledger --json`."""
    command = [BIN / "wafer_sim", "ledger", str(model_dir), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_skipped_steps_are_passed_over_once_and_remembered(shared_service: Service, tmp_path: Path) -> None:
    """Over a resume in the middle of the range the bits are those of one run, and the ledger lists the whole range."""
    folder = project.write(tmp_path / "p")
    skip = ("runconfig.skip", "[4-8]")
    whole = train(shared_service, folder, tmp_path / "whole", "--max_steps", "20", *skip)
    assert "Passing over steps 4 to 8 of the input" in whole.said, whole.said
    for last in ("3", "20"):
        done = train(shared_service, folder, tmp_path / "parts", "--max_steps", last, *skip)
        assert done.code == 0, done.said
    assert weights_digest(tmp_path / "whole", 20) == weights_digest(tmp_path / "parts", 20)
    code, told = ledger(tmp_path / "parts")
    assert code == 0
    assert told["skipped_steps"] == [{"first": 4, "last": 8, "samples": 100}]
    assert (told["samples"], told["skipped"], told["twice"]) == (500, 100, 0)


def test_the_first_bad_sample_stops_a_run(shared_service: Service, tmp_path: Path) -> None:
    """The error names the sample, and how such samples could be passed over."""
    folder = project.write(tmp_path / "p", data=project.MAP_STYLE, data_line=BROKEN)
    done = train(shared_service, folder, tmp_path / "m")
    assert done.code == 1
    assert "unreadable" in done.err
    assert "data.py" in done.err


def test_bad_samples_are_passed_over_and_listed(shared_service: Service, tmp_path: Path) -> None:
    """The run ends well; each bad sample of each epoch is in the ledger with its row, and none counts as missing."""
    folder = project.write(tmp_path / "p", data=project.MAP_STYLE, data_line=BROKEN)
    done = train(shared_service, folder, tmp_path / "m", "runconfig.bad_samples", "skip")
    assert done.code == 0, done.said
    code, told = ledger(tmp_path / "m")
    assert code == 0, told
    assert (told["bad"], told["missing"], told["twice"]) == (6, 0, 0)
    assert sorted(bad["row"] for bad in told["bad_samples"]) == [7, 7, 7, 150, 150, 150]
    assert all("unreadable" in bad["why"] for bad in told["bad_samples"])


def test_more_bad_samples_than_are_tolerated_stop_a_run(shared_service: Service, tmp_path: Path) -> None:
    """One bad sample in a hundred is above a bound of one in two hundred: the run says so and stops."""
    folder = project.write(tmp_path / "p", data=project.MAP_STYLE, data_line=BROKEN)
    bound = ("runconfig.bad_samples", "skip", "runconfig.bad_samples_fraction", "0.005")
    done = train(shared_service, folder, tmp_path / "m", "--max_steps", "60", *bound)
    assert done.code == 1
    assert "10 of 1,000 samples are bad, 1.00%; 0.50% are tolerated" in done.err
