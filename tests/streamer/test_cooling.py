"""`streamer cool`: files leave the page cache, and nothing else happens to them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from streamer import cli
from streamer.cooling import cool, cool_source
from wire.errors import Exhausted, NotFound, Refused


def test_every_file_is_cooled_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders are walked; the operating system is told of all of each file; the bytes are the same after it."""
    (tmp_path / "part").mkdir()
    files = [tmp_path / "a.parquet", tmp_path / "part" / "b.idx"]
    for path in files:
        path.write_bytes(b"x" * 5_000)
    told: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _file, *rest: told.append(rest))
    monkeypatch.setattr(sys, "argv", ["streamer", "cool", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert told == 2 * [(0, 0, os.POSIX_FADV_DONTNEED)]
    assert "2 files with 10,000 bytes" in capsys.readouterr().out
    assert all(path.read_bytes() == b"x" * 5_000 for path in files)


def test_the_operating_system_takes_it(tmp_path: Path) -> None:
    """The real call works on a file of this machine."""
    path = tmp_path / "a"
    path.write_bytes(b"123")
    assert cool(path) == 3


def test_what_cannot_be_cooled_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such file, nothing outside the root, and a system without the call."""
    with pytest.raises(NotFound):
        cool_source(str(tmp_path / "none"))
    with pytest.raises(Exhausted, match="cannot be cooled"):
        cool(tmp_path)
    with pytest.raises(Refused):
        cool_source(str(tmp_path), tmp_path / "elsewhere")
    monkeypatch.delattr(os, "posix_fadvise")
    (tmp_path / "a").write_text("")
    with pytest.raises(Refused, match="no call"):
        cool_source(str(tmp_path))
