"""`wafer_sim ledger`: what a person and a program see, and the exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wafer_sim import checkpoints, cli, ledger_screen
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.ledger import Ledger, Taken
from wafer_sim.runtime.protocol import State
from wire.codec import BadSample
from wire.cursor import Cursor

ROWS, BATCH, STREAMS = 1_000, 96, 2
DATA = {"streams": 2, "replicas": 1, "batch_size": BATCH, "rows": ROWS, "drop_remainder": True}
PER_EPOCH = ROWS // BATCH


def trained(
    steps: int, skipped: tuple[int, ...] = (), bad: tuple[int, ...] = (), again: tuple[int, ...] = ()
) -> Ledger:
    """A ledger after so many steps of the input. again: steps that brought the rows of the step before once more."""
    ledger = Ledger.fresh(STREAMS, ROWS)
    for step in range(steps):
        epoch, inside = divmod(step, PER_EPOCH)
        stream = step % STREAMS
        start = (inside - (step in again)) * BATCH
        samples = (BadSample(3, start + 3, "part-7.parquet:[bold]3[/bold]", "no PNG"),) if step in bad else ()
        taken = Taken(at(ledger, stream), next_at(stream, step), BATCH, step, np.arange(start, start + BATCH), samples)
        assert taken.cursor.epoch == epoch
        ledger.commit([taken], skipped=step in skipped)
    return ledger


def at(ledger: Ledger, stream: int) -> Cursor:
    return ledger.positions[stream].cursor


def next_at(stream: int, step: int) -> Cursor:
    epoch, inside = divmod(step + STREAMS, PER_EPOCH)
    return Cursor(stream, epoch, inside // STREAMS)


def save(model_dir: Path, ledger: Ledger, step: int, **more: Any) -> Path:
    made = Checkpoint(step, State({"w": np.ones(2)}), tuple(ledger.positions.values()), data=DATA)
    return checkpoints.write(model_dir, replace(made, **{"accounts": ledger.accounts, **more}))


def said(capsys: pytest.CaptureFixture[str], path: Path, code: int) -> str:
    assert cli.main(["ledger", str(path)]) == code
    return capsys.readouterr().out


def read(capsys: pytest.CaptureFixture[str], path: Path, code: int = 0) -> dict[str, Any]:
    assert cli.main(["ledger", str(path), "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["holds"] == (code == 0)
    return found


def test_whole_epochs_are_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence, the streams, which checkpoint; exit code 0."""
    ledger = trained(3 * PER_EPOCH)
    path = save(tmp_path, ledger, 3 * PER_EPOCH)
    text = said(capsys, tmp_path, 0)
    assert f"{path}, step 30\n" in text
    assert "\n2,880 samples in 3 epochs: 0 missing, 0 twice; 120 left out by drop_last_batch\n" in text
    for position in ledger.positions.values():
        assert re.search(
            rf"{position.cursor.stream} +│ epoch 3 batch 0 │ 1,440 +│ 15 .*{position.digest.hex()[:12]}", text
        )
    assert "does not hold" not in text


def test_the_epoch_under_way_says_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What has not come yet is not missing."""
    save(tmp_path, trained(PER_EPOCH + 3), PER_EPOCH + 3)
    assert "2 epochs: 0 missing, 0 twice; 40 left out by drop_last_batch; epoch 1 is under way: 288 of 1,000" in said(
        capsys, tmp_path, 0
    )


def test_bad_and_skipped_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each bad sample with its file and row, each range of skipped steps; brackets in names are no markup."""
    save(tmp_path, trained(12, skipped=(4, 5), bad=(7,)), 10)
    text = said(capsys, tmp_path, 0)
    assert "; 1 bad; 192 skipped;" in text
    assert "skipped: steps 5..6 of the input, 192 samples\n" in text
    assert "bad: part-7.parquet:[bold]3[/bold], row 675 (stream 1 epoch 0 batch 3): no PNG\n" in text


def test_twice_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that came again leave others missing; both are said, and the exit code is 1."""
    save(tmp_path, trained(PER_EPOCH, again=(4,)), PER_EPOCH)
    text = said(capsys, tmp_path, 1)
    assert "96 missing, 96 twice" in text
    assert "does not hold: 96 samples are missing\n" in text
    assert "does not hold: samples came again 96 times" in text


def test_steps_that_do_not_fit_the_samples_do_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weight updates take whole batches: nine steps of 96 are not ten batches."""
    save(tmp_path, trained(10), 9)
    assert read(capsys, tmp_path, 1)["faults"] == [
        "9 steps of 1 replicas took 10 batches",
        "9 steps of 96 samples took 960 samples",
    ]


def test_streams_that_do_not_add_up_do_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the streams took is what the epochs have."""
    ledger = trained(10)
    positions = list(ledger.positions.values())
    positions[0] = replace(positions[0], samples=positions[0].samples - 1)
    save(tmp_path, ledger, 10, streams=tuple(positions))
    faults = read(capsys, tmp_path, 1)["faults"]
    assert faults[0] == "the streams took 959 samples, the epochs have 960"


def test_last_batches_that_are_not_full_are_allowed_where_none_is_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One short batch an epoch, of exactly the rows that are left."""
    ledger = Ledger.fresh(1, 10)
    for epoch in range(2):
        for sequence, stop in enumerate((4, 8, 10)):
            following = Cursor(0, epoch, sequence + 1) if stop < 10 else Cursor(0, epoch + 1)
            rows = np.arange(sequence * 4, stop)
            ledger.commit([Taken(Cursor(0, epoch, sequence), following, len(rows), 0, rows)])
    data = {"batch_size": 4, "replicas": 1, "drop_remainder": False}
    save(tmp_path, ledger, 6, data=data)
    assert "20 samples in 2 epochs: 0 missing, 0 twice\n" in said(capsys, tmp_path, 0)
    save(tmp_path, ledger, 6, data={**data, "drop_remainder": True})
    assert read(capsys, tmp_path, 1)["faults"] == ["6 steps of 4 samples took 20 samples"]


def test_json_has_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each key that the documentation names, and no other, with what the tables show."""
    ledger = trained(12, skipped=(4, 5), bad=(7,))
    path = save(tmp_path, ledger, 10)
    found = read(capsys, tmp_path)
    assert found["checkpoint"] == str(path)
    assert (found["missing"], found["twice"], found["bad"], found["skipped"], found["dropped"]) == (0, 0, 1, 192, 40)
    assert (found["samples"], found["epochs_begun"], found["rows"], found["unknown"]) == (12 * BATCH, 2, ROWS, [])
    assert found["streams"][1] == {
        "stream": 1,
        "epoch": 1,
        "sequence": 1,
        "samples": 6 * BATCH,
        "batches": 6,
        "digest": ledger.positions[1].digest.hex(),
        "history": ledger.positions[1].history.hex(),
    }
    assert found["epochs"][1]["closed"] is False
    assert found["epochs"][1]["missing"] is None
    assert found["epochs"][0]["taken"] == PER_EPOCH * BATCH - 192 - 1
    assert found["skipped_steps"] == [{"first": 5, "last": 6, "samples": 192}]
    assert found["bad_samples"][0]["row"] == 675
    named = set(re.findall(r"\w+", str(ledger_screen.__doc__)))
    nested = (found["streams"], found["epochs"], found["bad_samples"], found["skipped_steps"])
    assert {*found, *(key for rows in nested for row in rows for key in row)} <= named


def test_damaged_checkpoints_that_were_passed_over_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account is of the newest whole one; one checkpoint can be named, too."""
    save(tmp_path, trained(10), 10)
    damaged = save(tmp_path, trained(20), 20) / "ledger.bin"
    damaged.write_bytes(b"x")
    text = said(capsys, tmp_path, 0)
    assert f"{tmp_path / 'checkpoint_10'}, step 10\n" in text
    assert f"passed over, damaged: {damaged}: the file has 1 bytes" in text
    assert read(capsys, tmp_path)["passed_over"][0].startswith(str(damaged))
    assert read(capsys, tmp_path / "checkpoint_10")["passed_over"] == []
    assert cli.main(["ledger", str(damaged.parent)]) == 1
    assert f"where: {damaged}\n" in capsys.readouterr().err


def test_checkpoints_without_accounts_say_what_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither missing nor twice is claimed; what can be checked still is."""
    save(tmp_path, trained(10), 10, accounts=None)
    text = said(capsys, tmp_path, 0)
    assert "\n960 samples\n" in text
    assert "not known: no accounts were kept" in text
    assert "missing" not in text
    assert read(capsys, tmp_path)["missing"] is None
    save(tmp_path, trained(10), 8, accounts=None)
    (tmp_path / "checkpoint_10" / "manifest.json").unlink()
    assert len(read(capsys, tmp_path, 1)["faults"]) == 2


def test_a_run_that_has_not_begun_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A compiled model_dir has a checkpoint of step 0, without streams."""
    checkpoints.write(tmp_path, Checkpoint(0, State({})))
    assert "no stream has begun\n0 samples\n" in said(capsys, tmp_path, 0)


def test_a_sequential_source_claims_nothing_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Samples and epochs; the epoch under way is counted as far as it is."""
    ledger = Ledger.fresh(1)
    for sequence in range(3):
        ledger.commit([Taken(Cursor(0, 0, sequence), Cursor(0, 0, sequence + 1), 8)])
    save(tmp_path, ledger, 3, data={"batch_size": 8, "replicas": 1, "drop_remainder": True, "rows": 0})
    assert "\n24 samples in 1 epoch; epoch 0 is under way: 24 so far\n" in said(capsys, tmp_path, 0)


@pytest.mark.parametrize("place", ["nowhere", "empty", "file"])
def test_a_folder_without_checkpoints_is_one_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """What is not there, where, and what to do."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert cli.main(["ledger", str(tmp_path / place)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: there is no checkpoint\n  where: {tmp_path / place}\n  do: ")


def test_the_command_needs_no_framework(tmp_path: Path) -> None:
    """As a process: piped lines are not wrapped, torch and grpc are not imported."""
    save(tmp_path, trained(12), 12)
    code = (
        "import sys\nfrom wafer_sim.cli import main\n"
        f"code = main(['ledger', {str(tmp_path)!r}])\n"
        "sys.exit(7 if {'torch', 'grpc'} & set(sys.modules) else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "drop_last_batch; epoch 1 is under way: 192 of 1,000\n" in done.stdout
