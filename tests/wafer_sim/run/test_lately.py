"""What is looked at now and then."""

from __future__ import annotations

from itertools import count

from wafer_sim.run.lately import Lately


def test_it_is_looked_at_again_when_it_is_old() -> None:
    """Not before, unless it is to be forgotten."""
    now, looks = [0.0], count()
    lately = Lately(lambda: next(looks), 0.25, lambda: now[0])
    seen = []
    for now[0] in (0.0, 0.1, 0.2, 0.3, 0.5, 0.6):
        seen.append(lately())
    assert seen == [0, 0, 0, 1, 1, 2]
    lately.forget()
    assert lately() == 3
