"""What a task that is not the chief does: it hosts streams of the chief's run until that is over."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from clients.ending import heed_sigterm
from clients.roles import Place, place_of
from streamer.pipeline import Input
from streamer.worker import LINES, WorkerOptions, main

log = logging.getLogger("clients")


def here() -> Place:
    """The place of this process. Raises InvalidInput."""
    return place_of(os.environ)


def work_unless_chief(coordinator: str | None, opened: Callable[[int], Input] | None) -> None:
    """Return in the chief, and in every task of a job without a system; in a worker work, and end the process.

    The chief of a job with a system heeds SIGTERM from now on, as a worker does.

    opened: the input of a run with this seed; None where the run brings its recipe.
    """
    place = here()
    if not coordinator:
        return
    if not place.is_chief:
        sys.exit(host(coordinator, place.session, opened))
    heed_sigterm()


def host(
    coordinator: str, session: str, opened: Callable[[int], Input] | None, *, exit_with_parent: bool = False
) -> int:
    """Host streams until told to leave; the exit code. Raises Fault when the coordinator cannot be reached."""
    _speak()
    return main(WorkerOptions(coordinator, session=session, exit_with_parent=exit_with_parent), opened)


def _speak() -> None:
    """A worker's lines go to standard error in a worker's form, whatever the user's own code has set up."""
    streamer = logging.getLogger("streamer")
    if not streamer.handlers:
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(logging.Formatter(LINES))
        streamer.addHandler(lines)
        streamer.setLevel(logging.INFO)
        streamer.propagate = False
