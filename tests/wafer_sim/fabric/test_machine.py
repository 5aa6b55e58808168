"""Machines as numbers."""

from __future__ import annotations

import pytest

from wafer_sim.fabric.machine import load, names
from wire.errors import InvalidInput, NotFound


def test_the_cs2_has_its_published_numbers() -> None:
    """The usable fabric, the clock and the SRAM are those of the documents."""
    machine = load("cs2")
    assert (machine.width, machine.height, machine.clock_hertz, machine.sram_bytes) == (757, 996, 850e6, 48 * 1024)
    assert machine.link_bytes_per_cycle == pytest.approx(176.47, abs=0.01)


def test_there_is_more_than_one_machine() -> None:
    """Every file in machines/ is a machine."""
    assert set(names()) == {"cs2", "small"}
    assert load("small").area == 768


def test_an_unknown_machine_is_named() -> None:
    """A misspelt name gets a hint."""
    with pytest.raises(NotFound, match="did you mean 'cs2'"):
        load("cs3")


def test_a_user_s_own_file_is_read_and_checked(tmp_path) -> None:
    """A .toml file is a machine; a key too few, a number that is none, or no file at all is said with its place."""
    text = (load.__globals__["_folder"]() / "small.toml").read_text()
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('"small"', '"mine"'))
    assert load(str(file)).name == "mine"
    for wrong in (text.replace("hop_cycles = 1.0\n", ""), text.replace("width = 32", "width = 0"), "no toml"):
        file.write_text(wrong)
        with pytest.raises(InvalidInput, match=r"mine\.toml"):
            load(str(file))
    with pytest.raises(NotFound, match=r"gone\.toml"):
        load(str(tmp_path / "gone.toml"))


def test_a_precision_that_the_machine_lacks_is_refused() -> None:
    """Arithmetic in an unknown precision is the user's mistake."""
    with pytest.raises(InvalidInput, match="float64"):
        load().arithmetic("float64")
