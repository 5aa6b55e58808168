"""Tensors in files without a name."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from wafer_sim.runtime.outside import Outside
from wire.errors import Exhausted, InvalidInput


def test_what_was_written_is_there_when_its_pages_have_gone_and_come(tmp_path: Path) -> None:
    """Also through a view that was taken before; and neighbours do not meet."""
    outside = Outside(tmp_path)
    one, two = (outside.allocate((3, 700), torch.float32) for _ in range(2))
    view = one.tensor.t()
    one.tensor.copy_(torch.arange(2100.0).reshape(3, 700))
    two.tensor.fill_(-1)
    for region in (one, two):
        region.drop()
        region.fetch()
    assert torch.equal(view.t(), torch.arange(2100.0).reshape(3, 700))
    assert bool((two.tensor == -1).all())
    assert one.bytes % os.sysconf("SC_PAGESIZE") == 0


@pytest.mark.parametrize("shape", [(), (0, 4), (30_000_000,)])
def test_tensors_of_any_size_begin_as_zeros(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A number, one without elements, and one larger than a file."""
    region = Outside(tmp_path).allocate(shape, torch.bfloat16)
    assert (region.tensor.shape, region.tensor.dtype) == (shape, torch.bfloat16)
    region.fetch()
    region.drop()
    assert not region.tensor.any()


def test_nothing_of_it_can_be_seen_in_the_directory(tmp_path: Path) -> None:
    """So nothing is left of a process that was killed."""
    region = Outside(tmp_path / "new").allocate((5,), torch.float32)
    assert region.tensor.numel() == 5
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "fault", "word"),
    [(errno.ENOSPC, Exhausted, "the disk is full"), (errno.EROFS, InvalidInput, "Read-only file system")],
)
def test_a_disk_without_room_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fault: type[Exception], word: str
) -> None:
    """And not by a signal when a page is written."""

    def full(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(fault, match=word):
        Outside(tmp_path).allocate((5,), torch.float32)
