"""Where the tasks of a session wait for one another."""

from __future__ import annotations

from dataclasses import dataclass, field

from wafer_sim.coordinator import events as ev
from wire.errors import InvalidInput

_MOST_TASKS = 4096
_LONGEST = 65_536

_Place = tuple[str, str, int]


@dataclass(slots=True)
class _Meeting:
    tasks: int
    payloads: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Meetings:
    """Who came where. One that is over is remembered, so that a task may ask twice, and come late once more.

    most: those kept; the oldest are forgotten beyond it. A coordinator that is started again knows none.
    """

    most: int
    _held: dict[_Place, _Meeting] = field(default_factory=dict)

    def arrive(self, event: ev.Arrived) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The payloads of all tasks, in order, and nobody; or nothing, and who is missing. Raises InvalidInput."""
        place = (event.session, event.tag, event.time)
        meeting = self._held.get(place) or _Meeting(event.tasks)
        _require(event, meeting.tasks)
        self._held[place] = meeting
        while len(self._held) > self.most:
            del self._held[next(iter(self._held))]
        meeting.payloads[event.task] = event.payload
        missing = tuple(task for task in range(meeting.tasks) if task not in meeting.payloads)
        payloads = () if missing else tuple(meeting.payloads[task] for task in range(meeting.tasks))
        return payloads, missing


def _require(event: ev.Arrived, tasks: int) -> None:
    if not event.session:
        raise InvalidInput("only the tasks of a session can wait for one another", where=event.tag)
    if not (event.task < event.tasks <= _MOST_TASKS) or event.tasks != tasks:
        what = f"task {event.task} of {event.tasks} came to a meeting of {tasks} tasks"
        raise InvalidInput(what, where=event.tag, fix="start all tasks with the same number of tasks")
    if len(event.tag) > _LONGEST or len(event.payload) > _LONGEST:
        raise InvalidInput(f"a tag and a payload have at most {_LONGEST} characters", where=event.tag[:80])
