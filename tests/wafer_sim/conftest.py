"""Fixtures shared by the tests of wafer_sim."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"wafer_sim_test_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tracing() -> ModuleType:
    """The module beside this file; it imports torch, so only the tests that need it load it."""
    return _beside("tracing")


@pytest.fixture(scope="session")
def flows() -> ModuleType:
    """The module beside this file, with a small dataflow program."""
    return _beside("flows")


@pytest.fixture(scope="session")
def networks() -> ModuleType:
    """The module beside this file with networks in plain torch; `program(name)` is captured once."""
    return _captured_once(_beside("networks_torch"))


@pytest.fixture(scope="session")
def twins() -> ModuleType:
    """The module beside this file with the same networks in TensorFlow; `program(name)` is captured once."""
    return _captured_once(_beside("networks_tensorflow"))


def _captured_once(module: ModuleType) -> ModuleType:
    module.program = functools.cache(module.program)
    return module
