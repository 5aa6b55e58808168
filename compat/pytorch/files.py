"""The user's checkpoint files: whole, or as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def write_whole(state: Any, path: Any) -> None:
    """`torch.save` a state: a process that dies meanwhile leaves the file as it was, and at most one beside it.

    path: of the file; what is open already is written to as it is.
    """
    if hasattr(path, "write"):
        torch.save(state, path)
        return
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
