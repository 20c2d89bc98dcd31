"""One office for all tests here: systems, project, first link and hub take longer than most of the tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.office import Office, Said
from tests.e2e.snapshot import Snapshot, snapshot

LOG_LINES = 40


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test here waits for real systems: its limit only ends one that hangs, also on a machine that is busy."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(400))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the hub has said last belongs to a failure: on another machine nobody can look afterwards."""
    report = yield
    office = getattr(item, "funcargs", {}).get("office")
    if call.when == "call" and report.failed and office is not None:
        report.sections.append(("end of the hub's log", "\n".join(office.hub_log().splitlines()[-LOG_LINES:])))
    return report


class DryRun:
    """A plan before anything was linked, and all that everybody held before and after it."""

    def __init__(self, office: Office) -> None:
        office.isthmus("status", "--json")  # the hub's tables are made
        # BottleCRM makes its first pipeline when somebody looks at deals for the first time.
        office.carl.call("GET", "/opportunities/")
        self.before: Snapshot = snapshot(office)
        self.said: Said = office.isthmus("plan", "--json")
        self.after: Snapshot = snapshot(office)


@pytest.fixture(scope="session")
def empty_office() -> Iterator[Office]:
    """The systems run, the project is written, the hub knows nothing. ``$ISTHMUS_TEST_OFFICE`` names a folder to use
    and to leave running: for those who write tests.

    Not the lab of the other tests: here systems are killed, and what a first link finds is counted.
    """
    kept = os.environ.get("ISTHMUS_TEST_OFFICE")
    # Not pytest's own folder: for root the databases run as another user, and pytest closes its folder to others.
    office = Office(Path(kept or tempfile.mkdtemp(prefix="isthmus-office-")))
    try:
        if kept is None or office.stage.hub_pid() is None:
            office.stage.set_up("small")
        office.open()
        yield office
        assert office.hub_log()
        assert office.told_secrets() == [], "a command or the hub's log has shown a secret"
    finally:
        if not kept:
            office.stage.tear_down()
            shutil.rmtree(office.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def dry_run(empty_office: Office) -> DryRun:
    """What a plan says of two systems that never met."""
    if empty_office.stage.hub_pid() is not None:
        pytest.skip("the kept office is linked already")
    return DryRun(empty_office)


@pytest.fixture(scope="session")
def office(empty_office: Office, request: pytest.FixtureRequest) -> Office:
    """Both systems are linked and the hub runs."""
    if empty_office.stage.hub_pid() is None:
        request.getfixturevalue("dry_run")
        said = empty_office.isthmus("sync", "--yes", "--json")
        assert said.code == 4, said  # everything done but what waits for people
        empty_office.stage.start_hub()
    return empty_office
