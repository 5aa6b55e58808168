"""Following a run: every way in which it can end, Ctrl-C among them."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from clients import following
from clients.errors import Interrupted
from clients.following import follow
from clients.job import Job
from clients.launcher import LocalWorkers
from clients.sections import RunConfig
from wire.errors import Exhausted, Stopped, Unreachable
from wire.observed import observed_message
from wire.v1 import ingest_pb2, run_pb2

Said = run_pb2.RunEvent | BaseException


class Talk:
    """A session that says these events; what comes after a cancel is said only then."""

    address = "localhost:9"

    def __init__(self, *said: Said, after_cancel: tuple[Said, ...] = ()) -> None:
        self._said, self._after = said, after_cancel
        self.cancelled: list[str] = []

    def follow(self, run_id: str) -> Iterator[run_pb2.RunEvent]:
        for event in (*self._said, *self._after):
            if isinstance(event, BaseException):
                raise event
            yield event

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)


class Interrupting(LocalWorkers):
    """Workers whose start is when the user presses Ctrl-C."""

    def start(self) -> None:
        raise KeyboardInterrupt


def job(folder: Path, mode: str = "train", **config: object) -> Job:
    return Job({}, RunConfig(**config), Path("p.yaml"), folder, mode)


def nobody() -> LocalWorkers:
    return LocalWorkers(0, "localhost:9", "s")


def ended(step: int, stopped: bool = False) -> run_pb2.RunEvent:
    return run_pb2.RunEvent(finished=run_pb2.Finished(progress=run_pb2.Progress(step=step), stopped=stopped))


def test_a_run_is_shown_and_its_end_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Phases, progress and checkpoints are shown in order; losses become TensorBoard events."""
    talk = Talk(
        run_pb2.RunEvent(number=1, queued=2),
        run_pb2.RunEvent(number=2, phase="running"),
        run_pb2.RunEvent(number=3, progress=run_pb2.Progress(step=50, loss=1.0)),
        run_pb2.RunEvent(number=4, saved=run_pb2.Saved(step=50)),
        ended(60),
    )
    with caplog.at_level("INFO"):
        assert follow(job(tmp_path), talk, "r", nobody(), 256).progress.step == 60
    assert [message.split(",")[0] for message in caplog.messages] == [
        "In the queue: 2 jobs ahead",
        "Running",
        "| Train Device=wafer:0",
        "Saved checkpoint at global step: 50",
    ]
    assert list((tmp_path / "train").glob("events.out.tfevents.*"))


def test_save_losses_off_leaves_no_events(tmp_path: Path) -> None:
    """runconfig.save_losses False is honoured on the wafer too."""
    follow(job(tmp_path, save_losses=False), Talk(ended(60)), "r", nobody(), 256)
    assert not (tmp_path / "train").exists()


def test_what_is_seen_of_a_step_is_heard_once(tmp_path: Path) -> None:
    """A wafer process that was started again says it again, bit for bit the same."""
    seen = [run_pb2.RunEvent(observed=observed_message(n, {"0": np.array(n * 0.5)})) for n in (10, 20, 10, 20, 30)]
    heard: list[tuple[int, float]] = []
    asked = replace(job(tmp_path), on_observed=lambda step, values: heard.append((step, float(values["0"]))))
    follow(asked, Talk(*seen, ended(30)), "r", nobody(), 256)
    assert heard == [(10, 5.0), (20, 10.0), (30, 15.0)]


def at(step: int, loss: float = 1.0) -> run_pb2.RunEvent:
    return run_pb2.RunEvent(progress=run_pb2.Progress(step=step, loss=loss))


def recorded(folder: Path) -> list[int]:
    """The steps for which there is a loss in the TensorBoard events."""
    (path,) = (folder / "train").glob("events.out.tfevents.*")
    data, steps, place = path.read_bytes(), [], 0
    while place < len(data):
        (size,) = struct.unpack_from("<Q", data, place)
        event = event_pb2.Event.FromString(data[place + 12 : place + 12 + size])
        steps += [event.step for value in event.summary.value if value.tag == "loss"]
        place += size + 16
    return steps


def test_steps_of_a_run_that_went_back_are_recorded_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A wafer process that was started again repeats steps: they are shown, and not recorded a second time."""
    talk = Talk(at(50), at(100), run_pb2.RunEvent(phase="starting it again from step 0"), at(50), at(100), at(150))
    talk._after = (ended(150),)
    with caplog.at_level("INFO"):
        follow(job(tmp_path), talk, "r", nobody(), 256)
    assert recorded(tmp_path) == [50, 100, 150]
    assert sum("Step=50," in line for line in caplog.messages) == 2


def test_what_was_said_before_it_was_attached_to_is_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is recorded all the same: the chief before may have been killed before it wrote it."""
    talk = Talk(at(50), at(100), at(150), at(100), ended(150))
    with caplog.at_level("INFO"):
        follow(job(tmp_path), talk, "r", nobody(), 256, attached_at=100)
    assert recorded(tmp_path) == [50, 100, 150]
    assert [line.split("Step=")[1].split(",")[0] for line in caplog.messages] == ["150", "100"]


def test_late_streams_and_bad_samples_are_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each is one line that names who and where."""
    late = run_pb2.RunEvent(late=run_pb2.Late(stream=3, worker="host:7", seconds=2.4))
    bad = ingest_pb2.BadSample(row=4711, where="a.parquet, row 4711", why="it is cut off")
    passed = run_pb2.RunEvent(passed=run_pb2.Passed(step=12, bad=[bad]))
    follow(job(tmp_path), Talk(late, passed, ended(60)), "r", nobody(), 256)
    assert caplog.messages == [
        "Stream 3 was late by 2.4 s: worker host:7",
        "Step 12: passed over the sample at a.parquet, row 4711: it is cut off",
    ]


def test_the_fault_of_a_run_is_raised(tmp_path: Path) -> None:
    """A problem keeps its kind, its place and what to do."""
    problem = run_pb2.Problem(kind="Exhausted", what="the disk is full", where="/m", fix="make room")
    with pytest.raises(Exhausted) as caught:
        follow(job(tmp_path), Talk(run_pb2.RunEvent(failed=problem)), "r", nobody(), 256)
    assert (caught.value.what, caught.value.where, caught.value.fix) == ("the disk is full", "/m", "make room")


def test_a_lost_coordinator_is_raised(tmp_path: Path) -> None:
    """What the session raises while it listens arrives here."""
    with pytest.raises(Unreachable, match="nobody answers"):
        follow(job(tmp_path), Talk(Unreachable("nobody answers")), "r", nobody(), 256)


def test_a_stream_of_events_that_just_ends_is_an_error(tmp_path: Path) -> None:
    """No last word is no success."""
    with pytest.raises(Stopped, match="without a word"):
        follow(job(tmp_path), Talk(), "r", nobody(), 256)


def test_a_run_that_somebody_else_stopped_is_no_success(tmp_path: Path) -> None:
    """A coordinator that shuts down stops runs with a checkpoint; the chief says how to go on."""
    with pytest.raises(Stopped, match="stopped at step 1,234, and not by this command") as caught:
        follow(job(tmp_path), Talk(ended(1234, stopped=True)), "r", nobody(), 256)
    assert not isinstance(caught.value, Interrupted)
    assert "same command again" in caught.value.fix


@pytest.mark.parametrize(
    ("mode", "config", "step", "said"),
    [
        ("train", {}, 1234, "at step 1,234, checkpoint saved; to go on, run the same command again"),
        ("train", {}, 0, "before the first step; to go on"),
        ("train", {"checkpoint_path": "c"}, 7, "run the same command without --checkpoint_path"),
        ("eval", {"checkpoint_path": "c"}, 7, "after 7 batches; an evaluation changes nothing"),
    ],
)
def test_ctrl_c_stops_the_run_and_says_how_to_go_on(
    tmp_path: Path, mode: str, config: dict[str, str], step: int, said: str
) -> None:
    """The run is cancelled, followed to its end, and one line says what became of it."""
    talk = Talk(after_cancel=(ended(step, stopped=True),))
    with pytest.raises(Interrupted) as caught:
        follow(job(tmp_path, mode, **config), talk, "r", Interrupting(1, "localhost:9", "s"), 256)
    assert talk.cancelled == ["r"]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ctrl_c_waits_a_few_seconds_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that does not stop is left to its coordinator."""
    monkeypatch.setattr(following, "STOP_SECONDS", 0.0)
    over = threading.Event()

    class Silent(Talk):
        def follow(self, run_id: str) -> Iterator[run_pb2.RunEvent]:
            over.wait(10)
            yield from ()

    with pytest.raises(Interrupted, match="did not stop within"):
        follow(job(tmp_path), Silent(), "r", Interrupting(1, "localhost:9", "s"), 256)
    over.set()


def test_ctrl_c_with_the_coordinator_gone_is_still_an_interruption(tmp_path: Path) -> None:
    """Nobody can be told, and that is said."""
    talk = Talk(Unreachable("nobody answers"))
    with pytest.raises(Interrupted, match="did not say how it ended: nobody answers"):
        follow(job(tmp_path), talk, "r", Interrupting(1, "localhost:9", "s"), 256)


def test_who_made_the_job_hears_of_it_and_may_end_it(tmp_path: Path) -> None:
    """Progress is handed on, and what on_begun got stops the run as Ctrl-C does, from any thread."""
    heard: list[int] = []
    talk = Talk(
        run_pb2.RunEvent(progress=run_pb2.Progress(step=3)),
        after_cancel=(run_pb2.RunEvent(finished=run_pb2.Finished(progress=run_pb2.Progress(step=4), stopped=True)),),
    )
    made = replace(job(tmp_path), on_progress=lambda p: heard.append(p.step), on_begun=lambda stop: stop())
    with pytest.raises(Interrupted, match="interrupted at step 4"):
        follow(made, talk, "r", nobody(), 8)
    assert talk.cancelled == ["r"]
    assert heard == [3]
