"""Workers started by hand: they wait, join, come and go, and read nothing outside of what they may."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, ENDLESS, ROOT, Finished, Service, weights_digest

pytestmark = pytest.mark.e2e

STEPS = ("--max_steps", "60", "runconfig.checkpoint_steps", "0")


class Lines:
    """What a process writes to stderr, line by line, as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, words: str, seconds: float = 30.0) -> str:
        """The first line with these words."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(words in line for line in self.lines), seconds), self.lines
            return next(line for line in self.lines if words in line)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()


def poll(seconds: float = 60.0) -> Iterator[None]:
    """Again and again until the time is over, and leave the processor to those who are waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_four_pinned_workers_wait_for_a_job_and_feed_it(service: Service, tmp_path: Path) -> None:
    """`streamer worker --shard i` waits, says so, and hosts stream i of the job that comes."""
    workers = [Lines(service.worker("--shard", str(i))) for i in range(4)]
    for lines in workers:
        lines.wait_for("waiting: no job")
    done = service.run("--model_dir", str(tmp_path / "m"), "--num_workers", "0", *STEPS)
    assert done.code == 0, done.said
    for i, lines in enumerate(workers):
        lines.wait_for(f"hosting stream {i}")


def test_a_shard_beyond_the_jobs_streams_is_told_so(service: Service, tmp_path: Path) -> None:
    """A worker pinned to stream 9 of a job with 4 streams stands by and says why."""
    lines = Lines(service.worker("--shard", "9"))
    assert service.run("--model_dir", str(tmp_path / "m"), *STEPS).code == 0
    lines.wait_for("4 streams")


def test_workers_that_come_go_and_are_killed_do_not_change_the_bits(service: Service, tmp_path: Path) -> None:
    """One worker dies by SIGKILL and another joins in the middle of a run; the weights are those of a quiet run."""
    steps = ("--max_steps", "2000", "runconfig.checkpoint_steps", "0", "runconfig.log_steps", "1000")
    assert service.run("--model_dir", str(tmp_path / "quiet"), "--num_workers", "1", *steps).code == 0
    first = service.worker()
    running = service.start("--model_dir", str(tmp_path / "wild"), "--num_workers", "1", *steps)
    for _ in poll():
        runs = service.status()["runs"]
        if int(runs[-1].get("progress", {}).get("step", 0)) > 100 and "wild" in runs[-1]["spec"]["model_dir"]:
            break
    service.worker()
    first.kill()
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, out + err
    assert weights_digest(tmp_path / "quiet", 2000) == weights_digest(tmp_path / "wild", 2000)


def test_a_second_job_waits_and_is_told_its_place(service: Service, tmp_path: Path) -> None:
    """One wafer runs one job; the next one is queued, says how many are ahead, and runs when its turn comes."""
    first = service.start("--model_dir", str(tmp_path / "a"), *ENDLESS)
    for _ in poll():
        runs = service.status().get("runs", [])
        if runs and runs[-1]["state"] == "running":
            break
    second = service.start("--model_dir", str(tmp_path / "b"), *STEPS)
    for _ in poll():
        if service.status()["runs"][-1].get("place", 0) == 1:
            break
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, out + err
    assert "In the queue: 1 job ahead" in out + err


def test_a_run_whose_chief_was_killed_can_be_cancelled_by_hand(service: Service, tmp_path: Path) -> None:
    """`wafer_sim cancel` stops a run that nobody follows any more, with a checkpoint to go on from."""
    options = ("--model_dir", str(tmp_path / "m"), "runconfig.checkpoint_steps", "0")
    chief = service.start(*options, "--max_steps", "100000")
    for _ in poll():
        runs = service.status().get("runs", [])
        if runs and int(runs[-1].get("progress", {}).get("step", 0)) > 0:
            break
    chief.kill()
    cancel = [BIN / "wafer_sim", "cancel", runs[-1]["run_id"], "--coordinator", service.address]
    subprocess.run(cancel, check=True, capture_output=True, timeout=30)
    for _ in poll():
        if service.status()["runs"][-1]["state"] == "finished":
            break
    step = max(int(p.name.split("_")[1]) for p in (tmp_path / "m").glob("checkpoint_*"))
    assert step > 0
    done = service.run(*options, "--max_steps", str(step + 5))
    assert done.code == 0, done.said


def test_data_root_bounds_what_a_recipe_may_read(service: Service, tmp_path: Path) -> None:
    """A worker with --data-root refuses a recipe that points outside of it, and the run says which worker refused."""
    service.worker("--data-root", str(tmp_path))
    done = service.run("--model_dir", str(tmp_path / "m"), "--num_workers", "0", *STEPS)
    assert done.code == 1
    assert "mnist" in done.err
    assert str(tmp_path) in done.err


def test_inspect_shows_what_is_in_a_dataset() -> None:
    """Element spec, rows, bytes and reading rate of the repository's own MNIST."""
    command = [BIN / "streamer", "inspect", str(ROOT / "data" / "mnist" / "train")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    shown = Finished(done.returncode, done.stdout, done.stderr)
    assert shown.code == 0, shown.said
    for words in ("60,000", "uint8", "samples/s"):
        assert words in shown.out


def test_a_worker_leaves_on_sigterm_and_its_streams_go_on(service: Service, tmp_path: Path) -> None:
    """SIGTERM ends a worker within seconds with exit code 0 while the run goes on to its end."""
    worker = service.worker()
    running = service.start("--model_dir", str(tmp_path / "m"), "--max_steps", "2000", "--num_workers", "1")
    for _ in poll():
        if any(len(w.get("streams", [])) == 2 for w in service.status().get("workers", [])):
            break
    worker.terminate()
    assert worker.wait(10) == 0
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, out + err
