"""`cerebras.workflow.python.cs_perf_analyzer`: whether the input kept up, read from the performance.json of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REPORT = "performance.json"
KEY = "suspected_input_bottleneck (beta)"


def locate_csperf_log(model_dir: str) -> str | None:
    """The report of the newest run below a folder; None where there is none.

    model_dir: code of that time asks below <model_dir>/cerebras_logs, where that system kept its own.
    """
    folder = Path(model_dir)
    while "cerebras_logs" in folder.parts:
        folder = folder.parent
    reports = sorted(folder.glob(f"wafer/*/{REPORT}"), key=lambda path: path.stat().st_mtime)
    return str(reports[-1]) if reports else None


class AssessBottlenecks:
    """What a report says of the input. perf_file: from `locate_csperf_log`."""

    def __init__(self, perf_file: str) -> None:
        self._report: dict[str, Any] = json.loads(Path(perf_file).read_text())

    def assess_bottleneck_main(self) -> Any:
        """The word of the report."""
        return self._report.get(KEY, "Not Applicable")


__all__ = ["AssessBottlenecks", "locate_csperf_log"]
