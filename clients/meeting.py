"""Where the tasks of a job wait for one another: the coordinator counts who came."""

from __future__ import annotations

import collections
import threading
import time

from clients.roles import Place
from clients.session import Session
from wire.errors import Unreachable
from wire.v1 import coordinator_pb2

PATIENCE_SECONDS = 600.0
_ASK_SECONDS = 0.2

_times: collections.Counter[str] = collections.Counter()


def meet(coordinator: str, place: Place, tag: str, payload: str = "") -> list[str]:
    """Wait until all tasks have come to this tag as often as this one; what each of them gave, in their order.

    place: with a session and a number of tasks. Raises Unreachable, naming who is missing, after PATIENCE_SECONDS
    or where there is no coordinator, and InvalidInput where tasks disagree about how many they are.
    """
    request = coordinator_pb2.MeetRequest(
        tag=tag, time=_times[tag], task=place.rank, tasks=place.tasks or 1, payload=payload
    )
    _times[tag] += 1
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Session(coordinator, name=place.session) as session:
        while (reply := session.arrive(request)).missing:
            if time.monotonic() >= deadline:
                raise _missing(tag, place, list(reply.missing))
            threading.Event().wait(_ASK_SECONDS)
    return list(reply.payloads)


def _missing(tag: str, place: Place, tasks: list[int]) -> Unreachable:
    who = f"task{'s' if len(tasks) > 1 else ''} {', '.join(map(str, tasks[:16]))}"
    what = f"{who} of {place.tasks} did not come within {PATIENCE_SECONDS:g} s"
    return Unreachable(what, where=f"rendezvous {tag!r}", fix="look into the log of that task")
