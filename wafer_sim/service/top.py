"""`wafer_sim top`: a coordinator as it goes, in a terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from wafer_sim.service.screen import ask
from wafer_sim.service.top_screen import Trend, top_screen
from wire.channel import address_of
from wire.errors import Fault
from wire.v1 import coordinator_pb2

QUIT = frozenset("qQ\x03\x1b")

Ask = Callable[[str], coordinator_pb2.StatusReply]
Quits = Callable[[float], bool]
"""Waits so many seconds, or until the user wants to leave: whether that is so."""


def top(coordinator: str, interval: float, *, once: bool, console: Console | None = None) -> None:
    """Show the coordinator at an address until the user leaves; `once`, or where there is no terminal, one time.

    interval: seconds between two looks. Raises Unreachable, Refused, InvalidInput where the first look gives nothing.
    """
    console = console or Console()
    address = address_of(coordinator)
    first, trend = ask(address), Trend()
    if once or not console.is_terminal:
        console.print(top_screen(first, trend.follow(first, time.monotonic())))
        return
    with keys(sys.stdin) as quits, Live(console=console, screen=True, auto_refresh=False) as live:
        show(live, first, trend, lambda: ask(address), lambda: quits(interval))


def show(
    live: Live,
    reply: coordinator_pb2.StatusReply,
    trend: Trend,
    look: Callable[[], coordinator_pb2.StatusReply],
    leaves: Callable[[], bool],
) -> None:
    """Draw again and again until `leaves` says so. A coordinator that does not answer is said, and looked for again."""
    live.update(top_screen(reply, trend.follow(reply, time.monotonic())), refresh=True)
    while not leaves():
        try:
            reply = look()
        except Fault as fault:
            live.update(Text(f"{fault.screen()}\n\nlooking again; q leaves"), refresh=True)
        else:
            live.update(top_screen(reply, trend.follow(reply, time.monotonic())), refresh=True)


@contextmanager
def keys(source: TextIO) -> Iterator[Quits]:
    """Hear single keys of a terminal; it is as it was before at the end. Of what is no terminal nothing is heard."""
    if not source.isatty():
        yield lambda seconds: _quits(None, seconds)
        return
    import termios
    import tty

    number = source.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda seconds: _quits(number, seconds)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _quits(number: int | None, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([] if number is None else [number], [], [], left)
        if ready and number is not None:
            pressed = os.read(number, 16)
            if not pressed or QUIT & set(pressed.decode(errors="ignore")):
                return True
    return False
