"""What makes a process one of that time: the old modules are found, and what Python and TensorFlow dropped is back."""

from __future__ import annotations

import json
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from clients.roles import place_of, tf_config
from compat import dropped, faults, finder

ON_PATH = Path(__file__).resolve().parent / "onpath"
"""The folder that PYTHONPATH names where the old names are wanted: `sitecustomize` in it calls `start`."""

WEIGHT_STREAMING = "COMPAT_WEIGHT_STREAMING"
"""Set where python-ws runs the program."""


def start() -> None:
    """Give code of that time what it imports. Nothing is imported for it before it asks."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _say_the_place()
    dropped.give_back_to_inspect()
    faults.one_screen_each()
    finder.install()
    if not any(isinstance(each, _AfterTensorFlow) for each in sys.meta_path):
        sys.meta_path.insert(0, _AfterTensorFlow())


def environment(old: dict[str, str]) -> dict[str, str]:
    """An environment in which Python starts so. old: the environment as it is."""
    before = [path for path in old.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(ON_PATH)]
    root = str(ON_PATH.parents[1])
    paths = [str(ON_PATH), *before, *([] if root in before else [root])]
    return {**old, "PYTHONPATH": os.pathsep.join(paths)}


def _say_the_place() -> None:
    """TF_CONFIG for user code that reads it, where a launcher says which task this is."""
    if "TF_CONFIG" not in os.environ and (config := tf_config(place_of(os.environ))):
        os.environ["TF_CONFIG"] = json.dumps(config)


class _AfterTensorFlow(MetaPathFinder, Loader):
    """Steps in at the import of TensorFlow, and adds what it dropped when it is there."""

    def __init__(self) -> None:
        self._found: Any = None

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> Any:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        self._found = spec.loader
        spec.loader = self
        return spec

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._found.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._found.exec_module(module)
        dropped.give_back_to_tensorflow(module)
