"""A station sends goods back, on the real ERP (SAP-9)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.office import Office, money, see
from tests.e2e.stations import REQUESTER, Stations

pytestmark = [pytest.mark.lab]


@pytest.fixture(scope="module")
def stations(office: Office) -> Stations:
    return Stations(office)


@pytest.fixture(scope="module")
def station(stations: Stations) -> tuple[str, int]:
    number, _, party = stations.station()
    return number, party


def announce(stations: Stations, station: str, *lines: str, credit: bool = False) -> str:
    more = ["--credit"] if credit else []
    made = stations.call("return", "new", station, *lines, "--for", REQUESTER, "--reason", "old parts", *more)
    return str(made["fields"]["number"])


def shown(stations: Stations, number: str) -> dict[str, Any]:
    view = stations.call("return", "show", number)
    return {**view["document"]["fields"], "waits": view["process"] or {}}


def reaches(stations: Stations, number: str, state: str) -> dict[str, Any]:
    return see(lambda: (found := shown(stations, number))["state"] == state and found)


@pytest.mark.flow("SAP-9")
def test_a_difference_is_settled_before_the_erp_hears_and_it_receives_once(
    office: Office, stations: Stations, station: tuple[str, int]
) -> None:
    sku, other = office.product("RTA", "10", 5), office.product("RTB", "10", 5)
    number = announce(stations, station[0], f"{sku}=5", f"{other}=2")
    see(lambda: shown(stations, number)["waits"].get("who") == "station")
    stations.call("return", "send", number, "--tracking", "DHL 17")
    reaches(stations, number, "sent")
    stations.call("return", "count", number, f"{sku}=3", f"{other}=2", "--by", "cleo")
    counted = reaches(stations, number, "difference")
    waits = see(lambda: (found := shown(stations, number)["waits"]).get("who") == "centre manager" and found)
    assert f"2 {sku} missing" in waits["question"]
    assert stations.warehouse.returns(number) == []
    assert office.isthmus("return", "settle", number, f"{other}=carrier", "--evidence", "x").code != 0
    assert [line.get("responsible") for line in counted["lines"]] == [None, None]

    stations.call("return", "settle", number, f"{sku}=carrier", "--evidence", "photo 17", "--by", "cleo")
    done = reaches(stations, number, "received")
    (there,) = stations.warehouse.returns(number)
    assert there["state"] == "done"
    assert {one["product.code"]: one["quantity"] for one in there["incoming_moves"]} == {sku: 3, other: 2}
    assert (office.erin.stock(sku), office.erin.stock(other)) == (8, 7)
    assert (done["reference"], done["erp_state"]) == (there["number"], "done")
    assert [(line["received"], line.get("responsible")) for line in done["lines"]] == [("3", "carrier"), ("2", None)]
    # A second receipt is refused, here and there.
    assert office.isthmus("return", "count", number, f"{sku}=5").code != 0
    assert office.isthmus("return", "send", number).code != 0
    assert (office.erin.stock(sku), len(stations.warehouse.returns(number))) == (8, 1)
    stations.told(number, "return_difference", "return_received")


@pytest.mark.flow("SAP-9")
def test_a_credited_return_ends_when_its_credit_note_is_posted(
    office: Office, stations: Stations, station: tuple[str, int]
) -> None:
    sku = office.product("RTC", "10", 5)
    number = announce(stations, station[0], f"{sku}=4", credit=True)
    stations.call("return", "send", number)
    reaches(stations, number, "sent")
    stations.call("return", "count", number, f"{sku}=4", "--by", "cleo")
    reaches(stations, number, "received")
    see(lambda: shown(stations, number)["credit_state"] == "draft")
    waits = see(lambda: (found := shown(stations, number)["waits"]).get("who") == "finance" and found)
    assert "credit note" in waits["question"]
    (sale,) = office.erin.sales(number)
    (invoice,) = office.erin.invoices(sale["id"])
    posted = office.erin.post_invoice(int(invoice["id"]))
    done = reaches(stations, number, "credited")
    assert (done["credit_note"], done["credit_state"]) == (posted["number"], "posted")
    assert money(done["credit_total"]["amount"]) == -posted["total_amount"] > 0
    assert office.erin.stock(sku) == 9


@pytest.mark.flow("SAP-9")
def test_a_return_that_nobody_sent_can_be_cancelled(
    office: Office, stations: Stations, station: tuple[str, int]
) -> None:
    sku = office.product("RTD", "10", 5)
    number = announce(stations, station[0], f"{sku}=4")
    stations.call("return", "cancel", number, "--by", "sam")
    assert shown(stations, number)["state"] == "cancelled"
    assert office.isthmus("return", "send", number).code != 0
