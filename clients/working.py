"""What a task that is not the chief does: it hosts streams of the chief's run, and takes its place when it is gone."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from clients.ending import heed_sigterm
from clients.roles import Place, explicit, place_of
from clients.session import Session
from streamer.last_lines import cut
from streamer.pipeline import Input
from streamer.worker import LEAVE_SECONDS, LINES, Worker, WorkerOptions, leave_at_signals, main, process_name
from wire.errors import Fault

log = logging.getLogger("clients")
_STREAMER = logging.getLogger("streamer")

Opened = Callable[[int], Input]
"""A seed -> the input of a run."""

_PROCESS = uuid.uuid4().hex[:12]
_ELECTED = threading.Event()
"""This process hosted streams, and is chief now."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def here() -> Place:
    """The place of this process. Raises InvalidInput."""
    return place_of(os.environ)


def take_place(rank: int | None, tasks: int | None) -> None:
    """What the command line says of this task is so for everybody in this process. Raises InvalidInput."""
    os.environ.update(explicit(rank, tasks))


def candidate() -> str:
    """The name under which this process stands for election; "" where it is the only task. Raises InvalidInput."""
    return here().candidate(_PROCESS)


def is_chief() -> bool:
    """Whether this task is the chief: the first one, or one that has taken its place. Raises InvalidInput."""
    return here().is_chief or _ELECTED.is_set()


def work_unless_chief(coordinator: str | None, job: str | None, opened: Opened | None) -> bool:
    """Return in the chief, and in every task of a job without a system; in a worker work, and end the process.

    A worker returns as well once it is chief, since the one before is gone: True then. It goes on hosting meanwhile,
    unless the run has ended. The chief of a job with a system heeds SIGTERM from now on, as a worker does.
    job: what the chief is chief of, as a rule its model_dir; None where nobody can go on with the chief's work.
    opened: the input of a run with this seed; None where the run brings its recipe. Raises Fault.
    """
    place, succeeds = here(), False
    if not coordinator:
        return False
    if not is_chief() or (job and _is_led(coordinator, place, job)):
        if job is None:
            sys.exit(host(coordinator, place.session, opened))
        code = _Task(coordinator, place, job, opened).work()
        if code is not None:
            sys.exit(code)
        succeeds = True
    heed_sigterm()
    return succeeds


def stay_chief(coordinator: str, job: str) -> Session:
    """Be chief of a job until the session that comes back is closed. Raises Unreachable, Refused."""
    session = Session(coordinator, name=here().session, candidate=candidate())
    session.__enter__()
    try:
        session.elect(job)
    except BaseException:
        session.close()
        raise
    return session


@contextmanager
def failure_told(coordinator: str | None) -> Iterator[None]:
    """In a task that is not the chief: whatever error it ends with is told to the chief too, with its last lines."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        place = here()
        if coordinator and place.session and not place.is_chief and not _ELECTED.is_set():
            _tell(coordinator, place, error)
        raise


def _tell(coordinator: str, place: Place, error: BaseException) -> None:
    text = error.screen() if isinstance(error, Fault) else "".join(traceback.format_exception(error))
    session = Session(coordinator, name=place.session)
    try:
        session.report_end(process_name(), cut(text))
    except Fault as fault:
        log.warning("The chief could not be told: %s", fault)
    finally:
        session.close()


def host(coordinator: str, session: str, opened: Opened | None, *, exit_with_parent: bool = False) -> int:
    """Host streams until told to leave; the exit code. Raises Fault when the coordinator cannot be reached."""
    _speak()
    return main(WorkerOptions(coordinator, session=session, exit_with_parent=exit_with_parent), opened)


def _is_led(coordinator: str, place: Place, job: str) -> bool:
    """Whether another task has taken this one's place before this one was started again."""
    if not place.session:
        return False
    with Session(coordinator, name=place.session, candidate=place.candidate(_PROCESS)) as session:
        return session.is_led_by_colleague(job)


class _Task:
    """Hosts in one thread, and offers itself as chief in another; the main thread waits for what comes of it."""

    def __init__(self, coordinator: str, place: Place, job: str, opened: Opened | None) -> None:
        self._session = Session(coordinator, name=place.session, candidate=place.candidate(_PROCESS))
        self._job = job
        self._worker = Worker(WorkerOptions(coordinator, session=place.session), opened)
        self._hosting = threading.Thread(target=self._host, name="worker", daemon=True)
        self._over = threading.Event()
        self._news: SimpleQueue[int | BaseException | None] = SimpleQueue()

    def work(self) -> int | None:
        """The exit code of the worker, or None where this process is chief now. Raises what the worker raised."""
        _speak()
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        leave_at_signals(self._worker)
        self._hosting.start()
        standing = threading.Thread(target=self._stand_by, name="standby", daemon=True)
        standing.start()
        news = self._news.get()
        self._over.set()
        standing.join()
        if news == 0 and self._worker.session_over:
            _restore(before)
            news = None if self._session.outlast(self._job) else news
        self._session.close()
        if isinstance(news, BaseException):
            raise news
        if news is None:
            _ELECTED.set()
            _restore(before)
            atexit.register(self._end_hosting)
            # The worker's lines are shown where the user's own code shows only what a chief says.
            _STREAMER.warning("The chief is gone; this task takes its place%s", self._meanwhile)
        return news

    @property
    def _meanwhile(self) -> str:
        return "" if self._worker.session_over else ", and goes on hosting"

    def _end_hosting(self) -> None:
        """Before the process ends: a thread that is still in C++ then would abort it."""
        self._worker.leave()
        self._hosting.join(LEAVE_SECONDS)

    def _host(self) -> None:
        try:
            self._news.put(self._worker.run())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread
            self._news.put(error)

    def _stand_by(self) -> None:
        if self._session.stand_by(self._job, self._over):
            self._news.put(None)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _speak() -> None:
    """A worker's lines go to standard error in a worker's form, whatever the user's own code has set up."""
    if not _STREAMER.handlers:
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(logging.Formatter(LINES))
        _STREAMER.addHandler(lines)
        _STREAMER.setLevel(logging.INFO)
        _STREAMER.propagate = False
