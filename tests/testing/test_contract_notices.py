"""The contract's own proof: every planted violation makes the right test fail, and not simply all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.testing.violations import VIOLATIONS

_HEAD = """
import pytest
from isthmus.connector import Traits
from tests.testing.memory_case import MemoryContract
from tests.testing.violations import VIOLATIONS

class Planted(MemoryContract):
    async def open_system(self, config):
        system = await super().open_system(config)
        plant = VIOLATIONS.get(type(self).__name__[5:])
        if plant:
            plant[0](system.resources()["customers"], system)
        return system

class Test_nothing(Planted):
    pass

class Test_modest(Planted):
    traits = Traits()
    options = {"feed": False}
"""
_MOST = 12
"""More failures than this are not the finding of one fault."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One run of the contract with each violation planted in a class of its own."""
    folder = tmp_path_factory.mktemp("planted")
    classes = (f"class Test_{name}(Planted):\n    pass\n" for name in VIOLATIONS)
    (folder / "test_planted.py").write_text("\n".join([_HEAD, *classes]), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfEs", "--no-header", "-p", "no:cacheprovider"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [*command, f"--rootdir={folder}", "-c", str(folder / "pytest.ini"), str(folder)],
        capture_output=True, text=True, cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def failed(report: str) -> dict[str, set[str]]:
    """Names of the failed contract tests by what was planted."""
    found: dict[str, set[str]] = defaultdict(set)
    for planted, test in re.findall(r"^(?:FAILED|ERROR) \S+::Test_(\w+)::(\w+)", report, re.MULTILINE):
        found[planted].add(test)
    return found


@pytest.mark.parametrize("name", VIOLATIONS)
def test_planted_violation_is_noticed_by_the_right_test(name: str, failed: dict[str, set[str]]) -> None:
    expected = VIOLATIONS[name][1]
    assert expected <= failed[name], f"expected {sorted(expected)}, but these failed: {sorted(failed[name])}"
    assert len(failed[name]) <= _MOST, f"nearly everything fails: {sorted(failed[name])}"


def test_nothing_fails_when_nothing_is_planted(failed: dict[str, set[str]]) -> None:
    assert failed["nothing"] == set()
    assert failed["modest"] == set()


def test_promise_that_is_not_made_is_skipped_with_its_reason(report: str) -> None:
    skipped = [line for line in report.splitlines() if line.startswith("SKIPPED")]
    for promise in ("guarded_writes", "versioned", "idempotent_create", "Feed", "Webhook", "Preparable"):
        assert any(f"not promised: {promise}" in line for line in skipped), f"{promise} is not among the skipped"
