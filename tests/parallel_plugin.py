"""Tests for several workers (`pytest -n 2 --dist loadgroup`): what shares real systems stays together on one worker."""

from __future__ import annotations

from pathlib import Path

import pytest

E2E = Path(__file__).with_name("e2e")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The office of tests/e2e is one, and its tests build on one another; the lab is started once."""
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker(pytest.mark.xdist_group("office"))
        elif "lab_small" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("lab"))
