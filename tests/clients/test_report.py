"""The end of a run: table, performance.json, TensorBoard events."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from clients.job import Job
from clients.report import Outcome, Summaries, conclude, performance_path, print_table, write_performance
from clients.sections import RunConfig
from wire.errors import Exhausted
from wire.v1 import run_pb2

OF_CSOFT = {
    "total_time",
    "samples_per_sec",
    "est_samples_per_sec",
    "total_samples",
    "fabric_cores",
    "fabric_utilization",
    "delta_t",
    "Frequency",
    "compile_time",
    "programming_time",
    "ordinals",
    "suspected_input_bottleneck (beta)",
}


def outcome(mode: str = "train", seconds: float = 8.0, stalls: dict[str, float] | None = None, **metrics: float):
    stalls = stalls or {}
    stall = sum(stalls.values())
    progress = run_pb2.Progress(
        step=900,
        loss=0.25,
        samples=230_400,
        seconds=seconds,
        samples_per_second=60_000.0,
        utilisation=1 - stall / seconds,
        stall_seconds=stall,
        stalls=[run_pb2.SeamStall(seam=name, seconds=value) for name, value in stalls.items()],
    )
    seams = [
        run_pb2.Seam(name="prefetch", items=30, worker="a"),
        run_pb2.Seam(name="prefetch", items=10, worker="b"),
        run_pb2.Seam(name="wire", items=40, worker="b"),
    ]
    finished = run_pb2.Finished(progress=progress, metrics=metrics, seams=seams, programming_seconds=1.5)
    return Outcome.of(mode, finished, compile_seconds=2.5)


def printed(result: Outcome) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123 - closed with the test
    print_table(result, console)
    console.file.close()
    return console.export_text()


def test_performance_json_has_every_key_of_csoft(tmp_path: Path) -> None:
    """All documented keys are there; what only a compiled fabric knows is null."""
    figures = json.loads(write_performance(outcome(), tmp_path).read_text())
    assert figures.keys() >= OF_CSOFT
    unknown = {key for key in OF_CSOFT if figures[key] is None}
    assert unknown == {"est_samples_per_sec", "fabric_cores", "fabric_utilization", "delta_t"}
    assert (figures["compile_time"], figures["programming_time"]) == (2.5, 1.5)
    assert figures["suspected_input_bottleneck (beta)"] is False


def test_ordinals_share_the_rate_by_batches(tmp_path: Path) -> None:
    """A worker that gave three quarters of the batches gave three quarters of the rate."""
    figures = json.loads(write_performance(outcome(), tmp_path).read_text())
    assert figures["ordinals"] == {"a": 45_000.0, "b": 15_000.0}


def test_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    """JSON knows no nan."""
    figures = json.loads(write_performance(outcome("eval", accuracy=math.nan), tmp_path).read_text())
    assert figures["metrics"] == {"accuracy": None}


def test_evaluation_does_not_overwrite_the_figures_of_training(tmp_path: Path) -> None:
    """Each mode has its own performance.json."""
    assert performance_path(tmp_path, "train") == tmp_path / "performance.json"
    assert write_performance(outcome("eval"), tmp_path) == tmp_path / "eval" / "performance.json"


def test_figures_that_cannot_be_written_are_an_error_with_a_place(tmp_path: Path) -> None:
    """A file where the folder should be is said in a sentence."""
    (tmp_path / "eval").write_text("")
    with pytest.raises(Exhausted, match="figures of the run"):
        write_performance(outcome("eval"), tmp_path)


def test_a_short_run_gives_no_verdict(tmp_path: Path) -> None:
    """Start-up is most of a run of a fraction of a second, so it neither blames nor praises its input."""
    short = outcome(seconds=0.2, stalls={"prepare": 0.1})
    assert "Too short to say" in printed(short)
    assert json.loads(write_performance(short, tmp_path).read_text())["suspected_input_bottleneck (beta)"] is None


def test_a_stall_is_blamed_on_a_seam_but_never_on_nobody() -> None:
    """The verdict names the worst seam and leaves out what could not be attributed."""
    assert "for prepare" in printed(outcome(stalls={"unattributed": 3.0, "prepare": 1.0}))
    assert "waited for" not in printed(outcome(stalls={"unattributed": 3.0}))


def test_the_table_says_what_its_numbers_are() -> None:
    """Training counts steps, evaluation batches; rates and times have units, numbers end in one column."""
    train, evaluated = printed(outcome()), printed(outcome("eval", accuracy=0.5))
    assert "Training on the wafer" in train
    assert "step " in train
    assert "samples/s" in train
    assert "Evaluation on the wafer" in evaluated
    assert "batches" in evaluated
    assert "accuracy" in evaluated
    ends = {
        line.index(number) + len(number)
        for number in ("900", "230,400", "60,000")
        for line in train.splitlines()
        if number in line
    }
    assert len(ends) == 1


def test_skipped_steps_are_in_the_table_and_the_figures(tmp_path: Path) -> None:
    """With loss scaling both say how many and the scale; without it the table says nothing of it."""
    scaled = replace(outcome(), skipped_steps=3, loss_scale=8192.0)
    assert re.search(r"skipped steps +3 +loss scale 8192", printed(scaled))
    assert "skipped" not in printed(outcome())
    figures = json.loads(write_performance(scaled, tmp_path).read_text())
    assert (figures["skipped_steps"], figures["loss_scale"]) == (3, 8192.0)


def test_the_last_words_of_an_evaluation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Average loss and metrics are logged as CSoft does, and become TensorBoard events unless save_losses is off."""
    for save, found in ((False, 0), (True, 1)):
        job = Job({}, RunConfig(save_losses=save), Path("p.yaml"), tmp_path, "eval")
        with caplog.at_level("INFO"):
            conclude(job, outcome("eval", accuracy=0.5), checkpoint_step=700)
        assert len(list((tmp_path / "eval").glob("events.out.tfevents.*"))) == found
    assert "Avg Eval. Loss = 0.25000" in caplog.text
    assert "accuracy = 0.50000" in caplog.text


def test_a_step_becomes_events_once(tmp_path: Path) -> None:
    """The end of a run repeats its last progress; the file does not."""
    with Summaries(tmp_path, "train") as summaries:
        summaries.add(run_pb2.Progress(step=5, loss=1.0))
        summaries.add(run_pb2.Progress(step=5, loss=2.0))
    (events,) = (tmp_path / "train").glob("events.out.tfevents.*")
    assert events.read_bytes().count(b"learning_rate") == 1
