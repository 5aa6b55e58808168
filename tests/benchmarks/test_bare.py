"""The service without guarantees is still made of what there is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.bare import replace


@pytest.mark.parametrize("module", ["wafer", "worker"])
def test_what_is_left_out_is_there_to_be_left_out(module: str) -> None:
    """Every replacement finds its place; `--help` comes after them."""
    command = [sys.executable, "-m", f"benchmarks.bare.{module}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_put_where_nothing_was() -> None:
    """A renamed function would otherwise make the benchmark compare the service with itself."""
    with pytest.raises(AttributeError):
        replace(subprocess, "no_such_function", None)
