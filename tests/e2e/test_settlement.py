"""Repairs of stations are settled month by month, in the real ERP's books (SAP-10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.office import Office, money, see
from tests.e2e.stations import Stations

pytestmark = [pytest.mark.lab]
LAST = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
"""The last day of the previous month."""
MONTH = f"{LAST:%Y-%m}"
BOSS = "boss@stations.example"


@pytest.fixture(scope="module")
def stations(office: Office) -> Stations:
    return Stations(office)


def centre(stations: Stations) -> str:
    """A centre of a test's own, so that what it closes is its own."""
    name, _ = stations.office.new("Centre")
    number = f"C{name.split()[1]}"
    stations.call("organisation", "add", number, name, "centre", "--below", "HO")
    return number


def below(stations: Stations, centre: str) -> tuple[str, int]:
    number, _, party = stations.station(below=centre)
    return number, party


def repair(stations: Stations, station: str, method: str, *more: str) -> dict[str, Any]:
    made: dict[str, Any] = stations.call("settlement", "repair", station, method, "--on", LAST.isoformat(), *more)[
        "fields"
    ]
    return made


def shown(stations: Stations, number: str) -> dict[str, Any]:
    view = stations.call("settlement", "show", number)
    return {**view["document"]["fields"], "waits": view["process"] or {}}


def reaches(stations: Stations, number: str, state: str) -> dict[str, Any]:
    return see(lambda: (found := shown(stations, number))["state"] == state and found)


@pytest.mark.flow("SAP-10")
def test_a_month_is_reported_approved_and_booked_and_its_cancellation_shows(office: Office, stations: Stations) -> None:
    sku = office.product("RPT", "5", 5)
    number = centre(stations)
    one, other = below(stations, number), below(stations, number)
    assert repair(stations, one[0], "overhaul")["level"] == "major"
    assert repair(stations, one[0], "cleaning", "--part", f"{sku}=2")["level"] == "medium"
    assert repair(stations, other[0], "cleaning")["level"] == "minor"
    (made,) = stations.call("settlement", "close", "--centre", number)
    name = made["fields"]["number"]
    assert (name, made["fields"]["total"]["amount"]) == (f"LS-{number}-{MONTH}-EUR", "130.5")
    assert [again["id"] for again in stations.call("settlement", "close", "--centre", number)] == [made["id"]]
    see(lambda: (shown(stations, name)["waits"].get("who") or "").startswith("centre"))
    stations.call("settlement", "report", name, "--by", BOSS)
    reaches(stations, name, "reported")
    assert stations.warehouse.entries(name) == [], "nothing is booked before finance has approved"
    stations.decide(name, "approve")
    booked = reaches(stations, name, "booked")
    (entry,) = stations.warehouse.entries(name)
    assert (entry["state"], entry["number"], entry["date"]) == ("posted", booked["entry"], LAST)
    owed = {line["party.name"]: line["credit"] for line in entry["lines"] if line["account.code"] == "2.1.1"}
    names = [office.party(party)["name"] for _, party in (one, other)]
    assert owed == {names[0]: Decimal("115.50"), names[1]: Decimal(15)}
    assert sum(line["debit"] for line in entry["lines"]) == money("130.5")
    assert booked["entry_state"] == "posted"

    # Corrected after it was closed: in the next month's, with a reference; here it is only noted.
    first = stations.call("settlement", "repairs", one[0])[-1]["fields"]["number"]
    fixed = repair(stations, one[0], "cleaning", "--corrects", first)
    assert fixed["number"] != first
    again = stations.call("settlement", "close", "--centre", number)
    assert [each["id"] for each in again] == [made["id"]]
    open_ones = stations.call("settlement", "repairs", one[0], "--unsettled")
    assert [each["fields"]["number"] for each in open_ones] == [fixed["number"]]

    # Finance takes the entry back in the ERP: both sides say so.
    stations.warehouse.cancel_entry(entry["id"], "wrong centre")
    gone = reaches(stations, name, "cancelled")
    assert gone["entry_state"] == "cancelled"
    assert gone["entry_cancelled_by"]


@pytest.mark.flow("SAP-10")
def test_an_entry_that_the_erp_refuses_waits_for_finance(office: Office, stations: Stations) -> None:
    number = centre(stations)
    station, _ = below(stations, number)
    repair(stations, station, "overhaul")
    period = office.erin.read("account.period", [["end_date", "=", LAST], ["type", "=", "standard"]], ["id"])[0]["id"]
    office.erin.insist("model.account.period.close", [period])
    try:
        (made,) = stations.call("settlement", "close", "--centre", number)
        name = made["fields"]["number"]
        stations.call("settlement", "report", name, "--by", BOSS)
        stations.decide(name, "approve")
        waits = see(lambda: (found := shown(stations, name)["waits"]).get("who") == "finance" and found)
        assert "period" in waits["question"].lower()
        assert stations.warehouse.entries(name) == []
    finally:
        office.erin.insist("model.account.period.reopen", [period])
        # Closing it has closed it for each journal too.
        journals = office.erin.read(
            "account.journal.period", [["period", "=", period], ["state", "=", "closed"]], ["id"]
        )
        office.erin.insist("model.account.journal.period.reopen", [one["id"] for one in journals])
    stations.call("settlement", "again", name, "--by", "fred")
    booked = reaches(stations, name, "booked")
    assert booked.get("reason") is None
    assert len(stations.warehouse.entries(name)) == 1


@pytest.mark.flow("SAP-10")
def test_a_refused_settlement_frees_its_repairs(office: Office, stations: Stations) -> None:
    number = centre(stations)
    station, _ = below(stations, number)
    repair(stations, station, "overhaul")
    (made,) = stations.call("settlement", "close", "--centre", number)
    name = made["fields"]["number"]
    stations.call("settlement", "report", name, "--by", BOSS)
    stations.decide(name, "refuse", "which machine?")
    assert "which machine?" in reaches(stations, name, "refused")["reason"]
    (again,) = stations.call("settlement", "close", "--centre", number)
    assert again["fields"]["number"] == f"{name}-2"
