"""Where a run on the wafer starts, and what this wafer refuses."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wafer_loop
from clients.captured import Captured
from clients.compiling import Compiled, compile_job, refuse_missing_features, validate
from clients.input import LoaderInput
from clients.job import Job
from clients.roles import WORKERS
from clients.sections import RunConfig
from clients.wafer_loop import _go_on, _replicas_of, _start, evaluate, given_checkpoint, last_step
from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.ledger import StreamPosition
from wafer_sim.runtime.protocol import State
from wire.cursor import Cursor
from wire.errors import Fault, InvalidInput, NotFound, Refused
from wire.v1 import coordinator_pb2, run_pb2


def job(folder: Path, mode: str = "train", params: dict[str, Any] | None = None, **config: Any) -> Job:
    return Job(params or {}, RunConfig(**config), Path("p.yaml"), folder, mode, cs_ip="localhost:1")


def leave(folder: Path, step: int, streams: int) -> Checkpoint:
    positions = tuple(StreamPosition(Cursor(number)) for number in range(streams))
    checkpoint = Checkpoint(step, State({"w": np.zeros(1, np.float32)}), positions)
    checkpoints.write(folder, checkpoint)
    return checkpoint


def test_a_run_goes_on_with_the_streams_of_its_checkpoint(tmp_path: Path) -> None:
    """A checkpoint of plain PyTorch has one stream and one of other workers another number; both are gone on from."""
    plan = run_pb2.DataPlan(streams=4, replicas=1)
    assert _go_on(leave(tmp_path, 30, streams=1), job(tmp_path), plan) == 30
    assert plan.streams == 1


def test_a_number_of_streams_that_the_user_gave_stays(tmp_path: Path) -> None:
    """The service refuses it where it does not fit; nobody changes it silently."""
    plan = run_pb2.DataPlan(streams=4, replicas=1)
    _go_on(leave(tmp_path, 30, streams=1), job(tmp_path, num_streams=4), plan)
    assert plan.streams == 4


def test_too_few_streams_for_the_replicas_say_what_to_do(tmp_path: Path) -> None:
    """One stream cannot feed two replicas."""
    plan = run_pb2.DataPlan(streams=4, replicas=2)
    with pytest.raises(Refused, match="1 stream, too few for 2 replicas") as caught:
        _go_on(leave(tmp_path, 30, streams=1), job(tmp_path), plan)
    assert "--is_pretrained_checkpoint" in caught.value.fix


def test_a_pretrained_checkpoint_starts_at_step_0_with_the_streams_of_the_plan(tmp_path: Path) -> None:
    """Only its weights are taken."""
    start = leave(tmp_path, 30, streams=1)
    plan = run_pb2.DataPlan(streams=4, replicas=1)
    pretrained = job(tmp_path, checkpoint_path=str(tmp_path / "checkpoint_30"), is_pretrained_checkpoint=True)
    assert _go_on(start, pretrained, plan) == 0
    assert plan.streams == 4


def test_a_run_keeps_the_replicas_of_its_checkpoint(tmp_path: Path) -> None:
    """Not those of a checkpoint that took no input, or whose weights only are taken."""
    path = str(tmp_path / "checkpoint_30")
    pretrained = job(tmp_path, checkpoint_path=path, is_pretrained_checkpoint=True)
    start = replace(leave(tmp_path, 30, streams=4), data={"replicas": 2})
    assert _replicas_of(start, job(tmp_path)) == 2
    assert _replicas_of(None, job(tmp_path)) is None
    assert _replicas_of(replace(start, streams=()), job(tmp_path)) is None
    assert _replicas_of(start, pretrained) is None


def test_the_start_of_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The newest checkpoint, or the one that was named, with a warning about the newer one that it ignores."""
    assert _start(job(tmp_path)) is None
    leave(tmp_path, 10, 4)
    leave(tmp_path, 20, 4)
    found = _start(job(tmp_path))
    assert found is not None
    assert found.step == 20
    assert not caplog.records
    found = _start(job(tmp_path, checkpoint_path=str(tmp_path / "checkpoint_10")))
    assert found is not None
    assert found.step == 10
    assert "checkpoint_20 is there too" in caplog.text
    with pytest.raises(NotFound, match="no checkpoint"):
        _start(job(tmp_path, checkpoint_path=str(tmp_path / "nowhere")))


def live(max_steps: int, mode: run_pb2.Mode = run_pb2.MODE_TRAIN) -> coordinator_pb2.RunStatus:
    return coordinator_pb2.RunStatus(spec=run_pb2.RunSpec(mode=mode, max_steps=max_steps))


@pytest.mark.parametrize(
    ("config", "running", "last"),
    [
        ({"max_steps": 900}, None, 900),
        ({"max_steps": 900}, live(900), 900),
        ({"max_steps": 900}, live(800), 900),
        ({"num_steps": 500}, None, 700),
        ({"num_steps": 500}, live(500), 500),
        ({"num_steps": 500}, live(550), 550),
        ({"num_steps": 500}, live(400), 700),
        ({"num_steps": 500}, live(701), 700),
        ({"num_steps": 500}, live(500, run_pb2.MODE_EVAL), 700),
        ({"num_epochs": 3}, live(300), 300),
        ({"num_epochs": 3, "max_steps": 450}, live(350), 350),
        ({"num_epochs": 3, "max_steps": 450}, live(450), 450),
    ],
)
def test_the_end_of_a_run_that_lost_its_chief_is_found_again(
    tmp_path: Path, config: dict[str, int], running: coordinator_pb2.RunStatus | None, last: int
) -> None:
    """The same command, run again at step 200, means the same last step where the run could have started so."""
    assert last_step(job(tmp_path, **config), 200, 100, running) == last


def test_a_relative_checkpoint_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service runs in another folder than run.py."""
    monkeypatch.chdir(tmp_path)
    assert given_checkpoint(job(tmp_path, checkpoint_path="c/checkpoint_5")) == tmp_path / "c" / "checkpoint_5"


def test_an_evaluation_without_a_checkpoint_asks_nobody(tmp_path: Path) -> None:
    """That there is nothing to evaluate is known before a coordinator is."""
    with pytest.raises(NotFound, match="no checkpoint to evaluate"):
        evaluate(lambda _: pytest.fail("the model was captured"), job(tmp_path, "eval"))


@pytest.mark.parametrize(
    ("fault", "mode", "params", "config", "where"),
    [
        (Refused, "train", {"csconfig": {"use_cbfloat16": True}}, {}, "csconfig.use_cbfloat16"),
        (InvalidInput, "eval", {}, {"fabric_mode": "drain"}, "runconfig.fabric_mode"),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    fault: type[Fault], mode: str, params: dict[str, Any], config: dict[str, Any], where: str
) -> None:
    """Nothing that a user asked for is ignored in silence."""
    with pytest.raises(fault) as caught:
        refuse_missing_features(params, RunConfig(**config).fabric_mode, mode)
    assert caught.value.where == where
    refuse_missing_features({"csconfig": {"use_cbfloat16": False}}, "compute", "train")


def test_a_tensorflow_model_is_not_compiled_for_weight_streaming(tmp_path: Path) -> None:
    """It is refused on the laptop already, and leaves nothing."""
    source = LoaderInput.__new__(LoaderInput)
    captured = Captured(source, run_pb2.DataPlan(), Dataflow((), ()), lambda: (0, State({})), lambda: None)
    asked = job(tmp_path / "m", execution_strategy="weight_streaming")
    for command in (validate, compile_job):
        with pytest.raises(Refused, match="PyTorch programs") as refused:
            command(lambda _: captured, asked)
        assert refused.value.where == "runconfig.execution_strategy"
    assert not (tmp_path / "m").exists()


def test_workers_are_those_of_the_user_then_of_the_launcher(tmp_path, monkeypatch):
    """What the user says counts, then what a launcher wants; beside tasks that one has started there are none."""
    assert wafer_loop._local_workers(job(tmp_path)) == 2
    monkeypatch.setenv("WAFER_TASKS", "4")
    monkeypatch.setenv("WAFER_RANK", "0")
    assert wafer_loop._local_workers(job(tmp_path)) == 0
    monkeypatch.setenv(WORKERS, "3")
    assert wafer_loop._local_workers(job(tmp_path)) == 3
    assert wafer_loop._local_workers(job(tmp_path, num_workers=1)) == 1
    monkeypatch.setenv(WORKERS, "many")
    with pytest.raises(InvalidInput, match="'many', no number"):
        wafer_loop._local_workers(job(tmp_path))


class Coordinator:
    """A session whose job has a run that ended before this process was chief."""

    address, id = "h:1", "s"

    def __init__(self, state: str, *, attached: bool = False) -> None:
        spec = run_pb2.RunSpec(data=run_pb2.DataPlan(batch_size=4))
        self.left = coordinator_pb2.RunStatus(run_id="r", state=state, spec=spec)
        self.submitted = run_pb2.SubmitReply(run_id="new", attached=attached)
        self.cancelled: list[str] = []

    def left_behind(self, job: str, mode: run_pb2.Mode) -> coordinator_pb2.RunStatus:
        return self.left

    def live_run(self, job: str) -> None:
        return None

    def submit(self, spec: run_pb2.RunSpec) -> run_pb2.SubmitReply:
        return self.submitted

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the runs that were followed to their end."""
    runs: list[str] = []

    def follow(_job: Job, _session: Any, run_id: str, *_: Any) -> run_pb2.Finished:
        runs.append(run_id)
        return run_pb2.Finished(progress=run_pb2.Progress(step=8))

    monkeypatch.setattr(wafer_loop.following, "follow", follow)
    monkeypatch.setattr(wafer_loop.report, "conclude", lambda *_: None)
    return runs


def test_a_run_that_ended_without_its_chief_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, followed: list[str]
) -> None:
    """By a task that has taken the chief's place, and by nobody else; what lives still is attached to instead."""
    compiled = Compiled(Captured(None, run_pb2.DataPlan(), None, None, None), tmp_path, False, 0.0)
    monkeypatch.setattr(wafer_loop, "compile_job", lambda *_: compiled)
    session: Any = Coordinator("finished")
    monkeypatch.setattr(wafer_loop, "_chief", lambda _: nullcontext(session))
    outcome = wafer_loop.train(lambda _: pytest.fail("captured"), replace(job(tmp_path), succeeds=True))
    assert outcome is not None
    assert (outcome.step, followed) == (8, ["r"])
    assert wafer_loop._left_behind(job(tmp_path), session) is None
    session.left.state = "running"
    assert wafer_loop._left_behind(replace(job(tmp_path), succeeds=True), session) is None


@pytest.mark.parametrize("attached", [True, False])
def test_a_run_that_ends_in_the_last_moment_is_not_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, followed: list[str], attached: bool
) -> None:
    """It lived when it was looked for, and had ended when it was submitted to: its end is what counts."""
    source = LoaderInput.__new__(LoaderInput)
    object.__setattr__(source, "description", "rows")
    compiled = Compiled(Captured(source, run_pb2.DataPlan(), None, None, None), tmp_path, False, 0.0)
    session: Any = Coordinator("running", attached=attached)
    spec = run_pb2.RunSpec(data=run_pb2.DataPlan(recipe="{}"))
    wafer_loop._run(job(tmp_path), session, compiled, spec, live=session.left)
    assert (followed, session.cancelled) == ((["new"], []) if attached else (["r"], ["new"]))
