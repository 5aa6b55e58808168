"""The HTML page: well-formed, self-contained, and every kernel on it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from tests.wafer_sim.fabric.works import chain, kernel
from wafer_sim.fabric.estimate import estimate
from wafer_sim.fabric.machine import load
from wafer_sim.fabric.page import page
from wafer_sim.fabric.published import BERT_LARGE, FC_MNIST_TF
from wafer_sim.fabric.result import WEIGHT_STREAMING, Estimate
from wafer_sim.fabric.work import TRAINING, Work

SMALL = load("small")
VOID = {"meta"}


class Elements(HTMLParser):
    """Checks that each element that is opened is closed in its turn; notes tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def pictures(text: str) -> list[ET.Element]:
    """The SVGs of a page, as XML."""
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314 - our own


def drawn(picture: ET.Element) -> list[tuple[int, ...]]:
    """The rectangles of the kernels in one picture."""
    rectangles = [r for r in picture.iter("rect") if "k" in (r.get("class") or "").split()]
    return sorted(tuple(int(r.get(side) or 0) for side in ("x", "y", "width", "height")) for r in rectangles)


@pytest.mark.parametrize(
    "found",
    [
        estimate(chain(5), SMALL),
        estimate(chain(3), SMALL, replicas=3),
        estimate(FC_MNIST_TF, load()),
        estimate(chain(50), SMALL, strategy=WEIGHT_STREAMING),
    ],
    ids=["small", "replicas", "fc_mnist", "streaming"],
)
def test_the_page_is_well_formed_and_holds_each_kernel(found: Estimate) -> None:
    """Each kernel is in the table, in what hovering shows and, if it has a place, in the picture."""
    text = page(found, rate=1000.0)
    elements = Elements(text)
    data = json.loads(re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0])
    assert [each["title"] for each in data["kernels"]] == [each.name for each in found.kernels]
    assert all(each.name in elements.text for each in found.kernels)
    placed = sorted((r.x, r.y, r.width, r.height) for each in found.kernels if (r := each.rectangle))
    maps = [picture for picture in pictures(text) if picture.get("class") == "map"]
    assert [drawn(each) for each in maps] == [placed] * len(maps)
    assert bool(maps) == (found.strategy != WEIGHT_STREAMING)
    assert len([tag for tag, _ in elements.seen if tag == "use"]) == (found.replicas - 1 if maps else 0)
    assert len([1 for _, given in elements.seen if "data-i" in given]) == len(found.kernels)


def test_the_page_needs_nothing_else() -> None:
    """No element and no style asks for anything from elsewhere; it stays under 300 KB for BERT-Large."""
    text = page(estimate(BERT_LARGE, load()))
    assert len(text.encode()) < 300_000
    assert not re.search(r"https?:|@import|url\(|<link|<img|<iframe|src=", text)
    assert "prefers-color-scheme: dark" in text


def test_the_slowest_kernel_is_marked_everywhere() -> None:
    """In the picture, among the bars and in the table."""
    found = estimate(chain(4, most_cores=10), SMALL)
    assert page(found).count('class="k slow"') == 2  # the whole wafer, and the replica enlarged
    assert page(found).count('class="row slow"') == 1
    assert page(found).count('<tr class="slow">') == 1


def test_names_are_text_and_never_markup() -> None:
    """What a user calls a layer, or a file, cannot become part of the page."""
    evil = kernel("</script><script>alert(1)</script>{{data}}", source='"><b>.py:1')
    text = page(estimate(Work((evil,), TRAINING, 8, 100), SMALL), title="<i>{{rows}}")
    elements = Elements(text)
    assert [tag for tag, _ in elements.seen].count("script") == 2
    assert "<script>alert" not in text
    assert '"><b>.py' not in text
    assert "<i>{{rows}}" not in text
    assert "&lt;i&gt;{{rows}}" in text
