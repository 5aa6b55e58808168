"""`python -m compat.launch csrun_wse ...`: a launcher where its own command is not installed."""

from __future__ import annotations

import sys

from compat.launch import cli

LAUNCHERS = {
    "csrun_cpu": cli.csrun_cpu,
    "csrun_wse": cli.csrun_wse,
    "cs_input_analyzer": cli.cs_input_analyzer,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in LAUNCHERS:
        sys.exit(f"usage: python -m compat.launch {{{','.join(LAUNCHERS)}}} ...")
    LAUNCHERS[sys.argv.pop(1)]()
