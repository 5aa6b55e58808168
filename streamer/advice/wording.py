"""How advice is worded, as CSoft headed it."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.advice import Remark, Review

_INDENT = "\n      "


def lines_of(review: Review) -> Iterator[str]:
    """The report, a heading and a paragraph for each remark; one line where there is nothing to say."""
    if not review.remarks:
        yield f"Suggestions to improve {review.of} performance: none, it is in good order"
        return
    yield f"Suggestions to improve {review.of} performance:"
    yield from map(_paragraph, review.remarks)


def _paragraph(remark: Remark) -> str:
    said = [f"  {remark.where}: {remark.what}", f"Why: {remark.why}", f"Instead: {remark.instead}"]
    return _INDENT.join([*said, f"Gain: {remark.gain}"] if remark.gain else said)
