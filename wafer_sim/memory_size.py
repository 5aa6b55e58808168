"""Sizes of memory as people write them."""

from __future__ import annotations

import re

from wire.errors import InvalidInput

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?\s*", re.IGNORECASE)


def size_from(text: str, where: str = "") -> int:
    """Bytes of "40GB", "512 MiB" or "1500000". Raises InvalidInput."""
    match = _SIZE.fullmatch(text)
    unit = (match[2] or "").capitalize() if match else ""
    size = int(float(match[1]) * (_UNITS | _BINARY)[unit]) if match else 0
    if size < 1:
        raise InvalidInput(f"{text!r} is no size of memory", where=where, fix="write it as 40GB or 512MiB")
    return size


def size_text(size: int) -> str:
    """The nearest thing to say: "312 MB", "40.0 GB"."""
    for unit, digits in (("G", 1), ("M", 0 if size >= 10**7 else 1), ("K", 0)):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:,.{digits}f} {unit if unit != 'K' else 'k'}B"
    return f"{size} B"
