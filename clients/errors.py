"""Errors of the clients' own."""

from __future__ import annotations

from wire.errors import Stopped


class Interrupted(Stopped):
    """The user ended the work with Ctrl-C; what could be saved was saved."""
