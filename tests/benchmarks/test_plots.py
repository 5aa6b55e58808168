"""Pictures of benchmark results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import worded
from benchmarks.plots import draw, main, pictures, point_of


def figure(name: str, unit: str, *values: float) -> dict[str, Any]:
    return {"name": name, "unit": unit, "values": list(values)}


PEERS = {
    "name": "drain",
    "figures": [
        figure("ours", "samples/s", 90.0, 100.0, 120.0),
        figure("tf.data service", "samples/s", 10.0),
        figure("limit: bare stream", "samples/s", 150.0),
        figure("memory", "MiB", 7.0),
        figure("limit: memcpy", "GB/s", 19.0),
    ],
}
SWEEP = {
    "name": "sweep",
    "figures": [
        figure("1 workers", "samples/s", 10.0),
        figure("2 workers", "samples/s", 19.0, 21.0),
        figure("batch 256", "samples/s", 5.0),
        figure("batch 16", "samples/s", 1.0),
        figure("batch 16, tcp", "samples/s", 0.5),
        figure("sample 784 B", "samples/s", 5.0),
    ],
}


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("1 worker", ("workers", 1.0, "")),
        ("12 workers", ("workers", 12.0, "")),
        ("batch 256", ("batch", 256.0, "")),
        ("sample 784 B, over TCP", ("sample", 784.0, "over TCP")),
        ("over TCP", None),
        ("256", None),
        ("workers recommended", None),
    ],
)
def test_a_name_says_where_a_point_lies(name: str, point: tuple[str, float, str] | None) -> None:
    """On which axis, at which number, of which curve; other names are no points."""
    assert point_of(name) == point


def test_peers_are_bars_and_their_limit_is_a_line() -> None:
    """Medians with the spread of the runs; only rates, and only where there is something to compare."""
    ((ending, picture),) = pictures(PEERS)
    assert ending == "-samples-per-s"
    (axes,) = picture.axes
    assert [bar.get_height() for bar in axes.patches] == [100.0, 10.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ours", "tf.data service"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["limit: bare stream: 150"]


def test_points_are_curves() -> None:
    """In the order of their numbers, a curve for each series; one point alone is no curve."""
    found = dict(pictures(SWEEP))
    assert set(found) == {"-workers", "-batch"}
    workers, batches = (found[ending].axes[0] for ending in ("-workers", "-batch"))
    assert list(workers.lines[0].get_ydata()) == [10.0, 20.0]
    assert list(batches.lines[0].get_xdata()) == [16.0, 256.0]
    assert [text.get_text() for text in batches.get_legend().get_texts()] == ["measured", "tcp"]


def test_pictures_lie_beside_their_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As PNG and SVG, named after it."""
    result = tmp_path / "drain.json"
    result.write_text(json.dumps(PEERS))
    assert draw(result) == [tmp_path / f"drain-samples-per-s{suffix}" for suffix in (".png", ".svg")]
    assert main([str(result)]) == 0
    assert capsys.readouterr().out.count("drain-samples-per-s") == 2


def test_what_is_no_result_is_one_screen(tmp_path, capsys):
    """It names the file, and draws nothing."""
    path = tmp_path / "mine.json"
    path.write_text("{")
    assert main([str(path)]) == main([str(tmp_path / "absent.json")]) == 1
    said = capsys.readouterr().err
    assert str(path) in said
    assert "absent.json" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("number", "words"), [(2_304_123.4, "2,304,123"), (999.96, "1000"), (0.31371, "0.3137")])
def test_figures_are_worded_for_people(number, words):
    """No exponents; four digits at least."""
    assert worded(number) == words
