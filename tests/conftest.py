"""What all tests share."""

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None)  # a machine with much to do is not a failing test
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real processes come first: they are long and often wait, and those who steal work steal short tests."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
