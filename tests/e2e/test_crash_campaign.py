"""The crash campaign, short: hub, PostgreSQL, ERP and CRM die by SIGKILL while people work in both systems."""

from __future__ import annotations

import pytest

from tests.campaign.crash import campaign
from tests.campaign.kills import Kills
from tests.e2e.office import Office


@pytest.mark.lab
@pytest.mark.flow("CH-4")
@pytest.mark.spec(2)
@pytest.mark.spec(5)
@pytest.mark.spec(8)
@pytest.mark.timeout(900)
def test_nothing_is_lost_doubled_or_stuck_after_everything_was_killed_under_the_people(office: Office) -> None:
    done = campaign(office, Kills(hub=3, postgres=1, erp=1, crm=1), seed=7, pace=1.0, say=print)
    assert done.violations == []
    assert done.ended == []
    assert {"hub", "postgres", "erp", "crm"} <= done.kills.keys()
    assert {thing.kind for thing in done.book.things} >= {"customer", "product"}
    assert done.book.edits["crm"] > 0
    assert done.book.edits["erp"] > 0
