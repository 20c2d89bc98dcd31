"""The real systems of the lab for tests: started once a session from the small template, stopped at its end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.lab import Lab
from isthmus.lab.people import CrmUser, ErpUser


@pytest.fixture(scope="session")
def lab_small() -> Iterator[Lab]:
    """Both systems with the small data. ``$ISTHMUS_TEST_LAB`` names a home to use and to leave running."""
    kept = os.environ.get("ISTHMUS_TEST_LAB")
    # Not pytest's own folder: for root the database runs as another user, and every pytest closes its folder to others.
    home = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="isthmus-lab-"))
    lab = Lab(home)
    try:
        lab.up(size="small")
        yield lab
    finally:
        if not kept:
            lab.down()
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def erin(lab_small: Lab) -> ErpUser:
    """A person who works in the ERP."""
    login = lab_small.tryton.credentials["erin"]
    return ErpUser(lab_small.tryton.url, lab_small.tryton.database, login["login"], login["password"])


@pytest.fixture(scope="session")
def hub_in_erp(lab_small: Lab) -> ErpUser:
    """The hub's own user in the ERP, for what a test must do in its place."""
    login = lab_small.tryton.credentials["hub"]
    return ErpUser(lab_small.tryton.url, lab_small.tryton.database, login["login"], login["password"])


@pytest.fixture(scope="session")
def carl(lab_small: Lab) -> CrmUser:
    """A person who works in the CRM."""
    return CrmUser(lab_small.bottlecrm.url, lab_small.bottlecrm.credentials["carl"]["token"])
