"""performance.json as the wafer's own commands read it: what a run said of itself when it had ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wire.errors import InvalidInput, NotFound

NAME = "performance.json"


def read(path: Path) -> dict[str, Any]:
    """Of a model_dir, or the file itself. Raises NotFound, InvalidInput for one that is not what a run left."""
    file = path / NAME if path.is_dir() else path
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError as error:
        what = "there are no figures of a run that has ended"
        raise NotFound(what, where=str(file), fix="train to the end first, or name another model_dir") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the figures of the run cannot be read: {error}", where=str(file)) from error
    if not isinstance(found, dict) or "samples_per_sec" not in found:
        raise InvalidInput("this is no performance.json of a run", where=str(file))
    return found
