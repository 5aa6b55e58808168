"""`streamer worker` whose frames carry, in the place of a loader's state, when they were ready."""

from __future__ import annotations

from typing import Any

from benchmarks.bare import replace
from benchmarks.stamped import stamp
from streamer import cli
from streamer.stages import batch
from wire.codec import Frame


def stamped_frame(*parts: Any, **account: Any) -> Frame:
    """A frame that was ready just now."""
    return Frame(*parts, **account | {"loader_state": stamp()})


if __name__ == "__main__":
    replace(batch, "Frame", stamped_frame)
    cli.main()
