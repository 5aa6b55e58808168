"""Fixtures shared by the tests of wafer_sim."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tracing() -> ModuleType:
    """The module beside this file; it imports torch, so only the tests that need it load it."""
    spec = importlib.util.spec_from_file_location("wafer_sim_test_tracing", Path(__file__).with_name("tracing.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
