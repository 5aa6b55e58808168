"""What is left when it is over: the ledger's account, the weights, and processes that should be gone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faults.cast import Cast, Stuck
from benchmarks.faults.figures import Account
from benchmarks.faults.guard import guarded
from benchmarks.faults.marked import in_use, marked, shared_segments, words_of
from benchmarks.faults.watch import Watch

GONE_SECONDS = 10.0
STARTING_SECONDS = 90.0


def account_of(model_dir: Path) -> Account:
    """What `wafer_sim ledger MODEL_DIR --json` says. Raises Stuck where it says nothing."""
    command = [sys.executable, "-m", "wafer_sim.cli", "ledger", str(model_dir), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise Stuck(f"wafer_sim ledger said nothing: {done.stdout}{done.stderr}") from error
    if said["missing"] is None:
        raise Stuck(f"wafer_sim ledger does not know what is missing: {said}")
    return Account(said["missing"], said["twice"], bool(said["holds"]) and done.returncode == 0)


def weights_of(model_dir: Path, step: int) -> bytes:
    """The bytes of a checkpoint's weights."""
    return (model_dir / f"checkpoint_{step}" / "weights.safetensors").read_bytes()


def orphans(folder: Path, workers: int) -> list[str]:
    """What a run leaves behind, GONE_SECONDS after SIGKILL to all its processes that were started by hand.

    The chief has local workers too. Children are not killed: wafer process and local workers have to notice.
    """
    mark, before = uuid.uuid4().hex, shared_segments()
    with guarded(mark):
        cast = Cast(folder, mark, workers, ["--max_steps", "1000000", "--num_workers", "2"])
        with Watch(cast.address, cast.model_dir) as watch:
            cast.start_chief()
            if not watch.wait(lambda sight: sight.step > 0, STARTING_SECONDS):
                raise Stuck(f"no step within {STARTING_SECONDS:g} s\n{cast.tails()}")
        living = marked(mark)
        assert len(living) > workers + 2, "the run has no children, so nothing would be shown"
        cast.kill_by_hand()
        deadline = time.monotonic() + GONE_SECONDS
        while (left := _left(mark, before)) and time.monotonic() < deadline:
            psutil.wait_procs(living, timeout=0.25)
        return left


def _left(mark: str, before: set[str]) -> list[str]:
    """Processes with the mark, and shared memory that was not there before and that nobody uses."""
    segments = shared_segments() - before
    return [*map(words_of, marked(mark)), *sorted(segments - in_use(segments))]
