"""The same service without its guarantees, to measure what they cost: for benchmarks only, and for nothing else.

No journal, no ledger, no acks, no digests and no row numbers. What it trains cannot be resumed.
"""

from __future__ import annotations

from typing import Any


def replace(owner: Any, name: str, by: Any) -> None:
    """Put something in the place of what must be there. Raises AttributeError where it is not there any more."""
    getattr(owner, name)
    setattr(owner, name, by)
