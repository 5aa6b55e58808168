"""losses.csv: whole lines, in the order in which steps were made."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from wafer_sim.losses import NAME, LossesRead, LossLog
from wire.errors import Exhausted


def test_a_loss_is_read_as_soon_as_it_is_there(tmp_path: Path) -> None:
    """Bit for bit; what is not there yet is none, also before there is a file."""
    log, read = LossLog(tmp_path), LossesRead(tmp_path)
    log.sync()
    assert read.at(20) is None
    log.add(20, 0.1 + 0.2)
    assert [read.at(20), read.at(40)] == [0.1 + 0.2, None]
    log.add(40, float("inf"))
    assert read.at(40) == float("inf")
    log.sync()
    log.close()
    assert (tmp_path / NAME).read_text() == "step,loss\n20,0.30000000000000004\n40,inf\n"


def test_a_half_written_line_does_not_count(tmp_path: Path) -> None:
    """The process that wrote it died; the next one makes that step again, and its line is whole."""
    (tmp_path / NAME).write_text("step,loss\n20,1.5\n40,1.2")
    read = LossesRead(tmp_path)
    assert [read.at(20), read.at(40)] == [1.5, None]
    log = LossLog(tmp_path)
    log.add(20, 1.5)
    log.add(40, 1.25)
    log.close()
    assert [read.at(20), read.at(40)] == [1.5, 1.25]
    assert (tmp_path / NAME).read_text() == "step,loss\n20,1.5\n20,1.5\n40,1.25\n"


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of any other file of a run."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = LossLog(tmp_path)
    log.add(1, 1.0)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exhausted, match="the disk is full") as caught:
        log.sync()
    assert caught.value.where == str(tmp_path / NAME)
    monkeypatch.undo()
    log.close()
