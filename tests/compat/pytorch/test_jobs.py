"""What a loop's local workers are started with."""

from __future__ import annotations

import pytest

from compat.pytorch.jobs import working_words


@pytest.mark.parametrize(
    ("words", "works"),
    [
        (["run.py", "--cs_ip", "h"], ["run.py", "--cs_ip", "h"]),
        (["run.py", "--validate_only"], ["run.py", "--cs_ip", "host:9"]),
        (["run.py", "--cs_ip=h", "--compile_only"], ["run.py", "--cs_ip=h"]),
        (["run.py"], ["run.py"]),
    ],
)
def test_a_worker_reaches_the_loop(words, works):
    """A command line that only compiles would never come to where a worker streams."""
    assert working_words(words, "host:9") == works
