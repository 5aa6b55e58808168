"""`cerebras.tf.tools.analyze_input_fn`."""

from __future__ import annotations

from typing import Any

CS_AUTOTUNE = -1
"""As many parallel calls as are good: tf.data's own AUTOTUNE."""


def __getattr__(name: str) -> Any:
    what = f"cerebras.tf.tools.analyze_input_fn.{name} is not supported: every validation reports on the input"
    raise AttributeError(what)


__all__ = ["CS_AUTOTUNE"]
