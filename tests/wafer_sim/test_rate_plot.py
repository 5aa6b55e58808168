"""`wafer_sim plot`: the rate over time as a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from wafer_sim import cli
from wafer_sim.rate_plot import rate_figure

FIGURES: dict[str, Any] = {
    "samples_per_sec": 900.0,
    "est_samples_per_sec": 1_500.0,
    "verdict": "the input does not keep up",
    "timeline": {
        "seconds": [1.0, 2.0, 3.5],
        "samples_per_second": [1_000.0, 500.0, 1_100.0],
        "stall_fraction": [0.0, 0.5, 0.1],
    },
}


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    (tmp_path / "performance.json").write_text(json.dumps(FIGURES))
    return tmp_path


def drawn(figures: dict[str, Any]) -> Any:
    (axes,) = rate_figure(figures, "here").axes
    return axes


def test_the_rate_is_drawn_and_stalls_are_shaded() -> None:
    """A step for each interval, a shade for each that stalled, the darker the more, and the verdict above."""
    axes = drawn(FIGURES)
    (steps, *_), shades = axes.patches, [patch for patch in axes.patches if patch.get_alpha() is not None]
    assert list(steps.get_data().values) == [1_000.0, 500.0, 1_100.0]
    assert list(steps.get_data().edges) == [0.0, 1.0, 2.0, 3.5]
    assert [(patch.get_x(), patch.get_width(), patch.get_alpha()) for patch in shades] == [
        (1.0, 1.0, 0.25),
        (2.0, 1.5, 0.05),
    ]
    assert axes.get_title(loc="left") == "the input does not keep up"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "rate",
        "stalled: the darker, the more of the time",
        "mean, without warm-up",
        "estimate of the real machine",
    ]


def test_an_estimate_far_away_is_named_and_not_drawn() -> None:
    """It would press the rate flat."""
    axes = drawn(FIGURES | {"est_samples_per_sec": 1_831_896.0})
    assert axes.get_ylim()[1] < 2_000
    assert "1,831,896" in axes.get_legend().get_texts()[-1].get_text()
    assert len(drawn(FIGURES | {"est_samples_per_sec": None}).get_legend().get_texts()) == 3


@pytest.mark.parametrize(("name", "begins"), [("rate.png", b"\x89PNG"), ("rate.svg", b"<?xml")])
def test_the_name_says_the_format(
    model_dir: Path, name: str, begins: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """PNG and SVG; the command says where the picture is."""
    assert cli.main(["plot", str(model_dir), "--out", str(model_dir / "new" / name)]) == 0
    assert (model_dir / "new" / name).read_bytes().startswith(begins)
    assert name in capsys.readouterr().out


def test_the_picture_lies_beside_the_figures(model_dir: Path) -> None:
    """Unless it is told where to."""
    assert cli.main(["plot", str(model_dir / "performance.json")]) == 0
    assert (model_dir / "rate.png").exists()


def test_what_cannot_be_drawn_is_said(model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No figures, no timeline, no such format, and no place to write to."""
    assert cli.main(["plot", str(model_dir / "none")]) == 1
    assert "no figures" in capsys.readouterr().err
    assert cli.main(["plot", str(model_dir), "--out", "rate.gif"]) == 1
    assert "no format" in capsys.readouterr().err
    assert cli.main(["plot", str(model_dir), "--out", str(model_dir / "performance.json" / "rate.png")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    (model_dir / "performance.json").write_text(json.dumps({"samples_per_sec": 1.0}))
    assert cli.main(["plot", str(model_dir)]) == 1
    assert "too short" in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_get_it(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no part of what every user installs."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert cli.main(["plot", str(model_dir)]) == 1
    assert "wafer-streamer[plots]" in capsys.readouterr().err
