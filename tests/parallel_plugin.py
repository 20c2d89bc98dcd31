"""`make test` runs on two workers of pytest-xdist: one has the office of tests/e2e, the other one the lab, then whoever
is free takes the next file.

xdist has marks for that (``loadgroup``), but they have no effect under this version of pytest.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
OFFICE, LAB = "office", "lab"


@cache
def scope_of(file: str) -> str:
    """Files of one scope run on one worker, in their order: ``file`` is relative to the project."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.startswith("tests/e2e/"):
        return OFFICE if "office: Office" in text or "dry_run: DryRun" in text else file
    return LAB if any(word in text for word in ("lab_small", "erin:", "carl:")) else file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, so that they run side by side; one worker alone keeps the order of the files."""
    if hasattr(config, "workerinput"):
        first = {OFFICE: 0, LAB: 1}
        items.sort(key=lambda item: first.get(scope_of(item.nodeid.partition("::")[0]), 2))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out files and what has to stay together, in the order above."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Scheduling(config, log)
