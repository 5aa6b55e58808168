"""Sizes of memory as people write them."""

from __future__ import annotations

import pytest

from wafer_sim.memory_size import size_from, size_text
from wire.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "size"),
    [("40GB", 40e9), ("512 MiB", 512 * 2**20), ("1.5G", 1.5e9), ("2ki", 2048), ("1500000", 1.5e6), (" 3 tb ", 3e12)],
)
def test_sizes_are_read_as_they_are_written(text: str, size: float) -> None:
    """With and without a unit, of a thousand or of 1,024."""
    assert size_from(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "4 XB", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The error shows how one is written."""
    with pytest.raises(InvalidInput, match="no size of memory") as refused:
        size_from(text, "--wafer-memory")
    assert (refused.value.where, "40GB" in refused.value.fix) == ("--wafer-memory", True)


@pytest.mark.parametrize(
    ("size", "text"),
    [(40e9, "40.0 GB"), (312_400_000, "312 MB"), (2_040_000, "2.0 MB"), (5_000, "5 kB"), (12, "12 B")],
)
def test_sizes_are_said_in_the_nearest_unit(size: float, text: str) -> None:
    """Three digits are enough for a person."""
    assert size_text(int(size)) == text
