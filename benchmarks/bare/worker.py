"""`streamer worker` whose frames carry no digest and no row numbers."""

from __future__ import annotations

from typing import Any

from benchmarks.bare import replace
from streamer import cli
from streamer.stages import batch
from wire.codec import Frame


def no_digest(_: Any) -> int:
    """The digest of everything."""
    return 0


def bare_frame(*parts: Any, **account: Any) -> Frame:
    """A frame with its batch and its cursors."""
    return Frame(*parts, **account | {"row_numbers": None})


if __name__ == "__main__":
    replace(batch, "rows_digest", no_digest)
    replace(batch, "values_digest", no_digest)
    replace(batch, "Frame", bare_frame)
    cli.main()
