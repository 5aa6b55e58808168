"""Generate docs/kernels.md from the kernel library.

python scripts/generate_kernels.py            write docs/kernels.md
python scripts/generate_kernels.py --check    write nothing; exit 1 if it is not what the library gives
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from wafer_sim.kernels.table import markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "kernels.md"


def main(arguments: Sequence[str] | None = None, page: Path = PAGE) -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description="Generate docs/kernels.md from the kernel library.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the page is out of date")
    if not parser.parse_args(arguments).check:
        page.write_text(markdown())
    elif not page.exists() or page.read_text() != markdown():
        print(f"{page.name} is not what the kernel library gives. Run scripts/generate_kernels.py.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
