"""Hosting: one thread per stream, which pushes it for as long as the worker holds its lease."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from streamer.transport import PushBroken, Pusher
from wire.errors import StaleLease
from wire.seam import SeamReading

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


class Host:
    """Hosts one stream under one lease.

    A push that breaks off is begun again, since the ingest knows the cursor; a stale lease ends it in silence; any
    other error is told to `failed`.
    """

    def __init__(
        self,
        stream: int,
        lease: int,
        pusher: Callable[[], Pusher],
        failed: Callable[[int, BaseException], None],
    ) -> None:
        self.stream = stream
        self.lease = lease
        self._make = pusher
        self._failed = failed
        self._stop = threading.Event()
        self._pusher: Pusher | None = None
        self._said = ""
        self._thread = threading.Thread(target=self._run, name=f"host-{stream}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the push to end, without waiting; `join` waits for it."""
        self._stop.set()
        if self._pusher is not None:
            self._pusher.stop()

    def join(self, timeout: float) -> bool:
        """Whether the thread ended within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def readings(self) -> list[SeamReading]:
        return self._pusher.readings() if self._pusher else []

    def resize(self, prefetch: int) -> None:
        """Keep so many batches ready from now on."""
        if self._pusher is not None:
            self._pusher.resize(prefetch)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._push()
                return
            except PushBroken as broken:
                self._say(broken.what)
                self._stop.wait(RETRY_SECONDS)
            except StaleLease:
                log.info("stream %d: hosted elsewhere now", self.stream)
                return
            except BaseException as error:  # noqa: BLE001 - a user's loader may raise anything; it is reported, not kept
                self._tell(error)
                return

    def _push(self) -> None:
        self._pusher = self._make()
        if not self._stop.is_set():
            self._pusher.run()

    def _say(self, what: str) -> None:
        if what != self._said and not self._stop.is_set():
            self._said = what
            log.info("stream %d: %s; trying again", self.stream, what)

    def _tell(self, error: BaseException) -> None:
        if not self._stop.is_set():
            self._failed(self.stream, error)
