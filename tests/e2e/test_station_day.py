"""The day of a service station, as the demo plays it: each step must be seen in the ERP itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from isthmus.cli.demo.day import Day
from isthmus.cli.demo.station_day import StationDay
from tests.e2e.office import Office
from tests.e2e.stations import CHIEF, Stations

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def day(office: Office) -> Day:
    """A day so far, as the station needs it."""
    Stations(office)  # the rules
    made = Day(office.stage, print)
    account, made.party = office.customer("Day")
    made.sku = office.product("DAY", "100", 20)  # dear enough to be approved by somebody
    made.account = str(office.account(account)["name"])
    return made


@pytest.fixture(scope="module")
def station_day(office: Office, day: Day) -> StationDay:
    """The steps build on one another."""
    if office.erin.read("stock.location", [["code", "=", "KIEL"]], ["id"]):
        pytest.skip("the kept office has lived this day already")
    made = StationDay(day, print, customer=day.account, chief=CHIEF)
    made.organisation()
    return made


def seen(day: Day, step: Callable[[], None]) -> None:
    """Play one step; everything it looks for must be there."""
    before = len(day.results)
    step()
    results = day.results[before:]
    assert results
    assert [result.what for result in results if not result.seen] == []


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-4")
@pytest.mark.flow("SAP-8")
def test_a_request_ships_short_and_its_rest_is_deleted_in_the_erp(day: Day, station_day: StationDay) -> None:
    seen(day, station_day.request)


@pytest.mark.flow("SAP-9")
def test_a_return_arrives_short_and_is_settled_before_the_erp_hears(day: Day, station_day: StationDay) -> None:
    seen(day, station_day.goods_back)


@pytest.mark.flow("SAP-10")
def test_a_month_is_settled_booked_and_taken_back(day: Day, station_day: StationDay) -> None:
    seen(day, station_day.month_end)
