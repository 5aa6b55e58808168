"""Prefetch: the stages above run in a thread of their own, ahead of the consumer, behind a seam."""

from __future__ import annotations

import logging
import threading

from streamer.columns import frame_bytes
from streamer.stages import FrameStage
from wire.codec import Frame
from wire.seam import Seam, SeamClosed, SeamReading

log = logging.getLogger(__name__)

_JOIN_S = 2.0


class Prefetch:
    """Keeps up to `capacity` batches of the stage above ready.

    The last frame has `end` set. An error of the stages above reaches the consumer after the batches before it.
    """

    def __init__(self, upstream: FrameStage, capacity: int, name: str) -> None:
        self._upstream = upstream
        self._seam: Seam[Frame] = Seam(name, capacity)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def get(self, timeout: float | None = None) -> Frame:
        """The next batch. Raises TimeoutError, SeamClosed after the end, or the error of the stages above."""
        return self._seam.get(timeout)

    def get_some(self, most: int, nbytes: int, timeout: float | None = None, linger: float = 0.0) -> list[Frame]:
        """The next batches, one frame at least, until they are `most` or have `nbytes`. As wire.seam.Seam.get_some."""
        return self._seam.get_some(most, nbytes, timeout, linger)

    def resize(self, capacity: int) -> None:
        """Keep so many batches ready from now on."""
        self._seam.resize(capacity)

    def close(self) -> None:
        """Stop and join the thread: at once if it waits at the seam, within 2 s even if user code blocks it."""
        self._upstream.interrupt()
        self._seam.close()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            log.warning("%s: the source is still busy after %.0f s; it is left behind", self._seam.name, _JOIN_S)

    def reading(self) -> SeamReading:
        return self._seam.reading()

    def _run(self) -> None:
        try:
            self._feed()
            self._seam.close()
        except SeamClosed:
            log.debug("%s: closed by the consumer", self._seam.name)
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the consumer's thread
            self._seam.close(error)
        finally:
            self._upstream.close()

    def _feed(self) -> None:
        while (frame := self._upstream.next()) is not None:
            self._seam.put(frame, size=frame_bytes(frame), count=frame.batches)
        end = self._upstream.position
        self._seam.put(Frame(end, end, {}, end=True))
