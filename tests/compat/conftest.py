"""Old names are found for the time of a test only."""

from __future__ import annotations

import sys

import pytest

from compat import finder
from compat.names import ROOTS


@pytest.fixture
def old_names():
    """Within it the old modules are found."""
    before = list(sys.meta_path)
    finder.install()
    yield
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        del sys.modules[name]
