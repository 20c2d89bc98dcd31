"""The short version of the crash campaign; ``make crash`` runs the long one (docs/reliability.md)."""

from __future__ import annotations

import pytest

from tests.campaign.crash import campaign
from tests.campaign.kills import Kills
from tests.e2e.office import Office

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.mark.spec(8)
@pytest.mark.flow("CH-4")
def test_nothing_is_lost_doubled_or_stuck_when_everything_is_killed_under_the_people(office: Office) -> None:
    kills = Kills(hub=3, postgres=1, erp=1, crm=1)
    done = campaign(office, kills, seed=7, pace=1.0, say=print)
    assert done.violations == []
    assert all(done.kills[name] >= count for name, count in vars(kills).items()), done.kills
    assert {thing.kind for thing in done.book.things} >= {"customer", "product"}
    assert min(done.book.edits.values()) > 5
