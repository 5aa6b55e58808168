"""Fixtures: a coordinator for one test, and one for a whole file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Service, serve


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = serve(tmp_path)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = serve(tmp_path_factory.mktemp("service"))
    yield running
    running.stop()
