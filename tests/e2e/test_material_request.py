"""A station asks for material, on the real ERP (SAP-1, SAP-3, SAP-4, SAP-6, SAP-8)."""

from __future__ import annotations

import pytest

from tests.e2e.office import Office, money, see
from tests.e2e.stations import Stations

pytestmark = [pytest.mark.lab]


@pytest.fixture(scope="module")
def stations(office: Office) -> Stations:
    return Stations(office)


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-6")
@pytest.mark.flow("SAP-8")
def test_a_transfer_is_approved_ordered_sent_and_arrives(office: Office, stations: Stations) -> None:
    sku = office.product("MRT", "100", 20)
    station, place, _ = stations.station("transfer")
    number = stations.ask(station, f"{sku}=6", supply="transfer")
    asked = stations.reaches(number, "checked")
    assert money(asked["total"]["amount"]) == 600
    assert asked["lines"][0]["available"] == "20"
    assert stations.warehouse.transfers(number) == [], "nothing is ordered before somebody has approved it"
    stations.decide(number, "approve")
    stations.reaches(number, "ordered")
    transfer = stations.waiting(number)

    stations.warehouse.send_transfer(transfer["id"])
    stations.reaches(number, "shipped")
    see(lambda: stations.deliveries(number) == [("in_transit", False, ["6"])])
    stock = stations.kept_stock(station, sku, on_hand="0", in_transit="6")
    assert (stock["place"], stock["on_hand"], stock["in_transit"]) == (place, "0", "6.0")
    stations.warehouse.receive_transfer(transfer["id"])
    done = stations.reaches(number, "complete")
    assert (done["whole"], done["complete"]) == (True, True)
    stations.kept_stock(station, sku, on_hand="6", in_transit="0")


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-4")
def test_a_fill_up_ships_short_and_the_planner_has_the_rest_delivered(office: Office, stations: Stations) -> None:
    sku = office.product("MRF", "10", 20)
    station, _, _ = stations.station("fill_up")
    number = stations.ask(station, f"{sku}=12", supply="fill_up")
    stations.reaches(number, "ordered")  # below 500 nobody is asked
    first = stations.waiting(number)
    stations.warehouse.send_transfer(first["id"], {sku: 8})
    short = stations.reaches(number, "partly_shipped")
    assert [(line["shipped"], line["left"]) for line in short["lines"]] == [("8", "4")]
    waits = stations.asks(number, "planner")
    assert f"4 {sku}" in waits["question"]
    stations.call("request", "rest", number, "deliver", "--by", "paula")
    child = stations.waiting(f"{number}/2")
    see(lambda: stations.deliveries(number) == [("done", False, ["8"]), ("planned", True, ["4"])])

    # The ERP deletes the child delivery: it is gone here too, and the planner is asked again.
    stations.warehouse.delete_transfer(child["id"])
    see(lambda: stations.deliveries(number) == [("done", False, ["8"])])
    stations.asks(number, "planner")
    stations.call("request", "rest", number, "close", "--by", "paula")
    done = stations.reaches(number, "complete")
    assert (done["whole"], done["lines"][0]["shipped"], done["lines"][0]["left"]) == (False, "8", "4")
    assert office.isthmus("request", "rest", number, "deliver").code != 0, "nothing is asked any more"


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-4")
@pytest.mark.flow("SAP-6")
def test_a_sales_order_ships_in_two_deliveries_and_the_rest_is_given_up(office: Office, stations: Stations) -> None:
    sku = office.product("MRS", "10", 9)
    station, _, party = stations.station()
    number = stations.ask(station, f"{sku}=12", supply="sales_order")
    stations.reaches(number, "ordered")
    (sale,) = see(lambda: [one for one in office.sales(party) if one["state"] == "processing"])
    assert [(line["product.code"], line["quantity"]) for line in sale["lines"]] == [(sku, 12)]
    key = int(sale["id"])
    office.erin.ship(key, {sku: 5})
    stations.reaches(number, "partly_shipped")
    see(lambda: stations.deliveries(number) == [("done", False, ["5"]), ("planned", True, ["7"])])
    office.erin.ship(key, {sku: 4})
    see(lambda: [one[2] for one in stations.deliveries(number)] == [["5"], ["4"], ["3"]])
    stations.warehouse.give_up_delivery(key, int(office.erin.shipments(key)[-1]["id"]))
    done = stations.reaches(number, "complete")
    assert (done["whole"], done["lines"][0]["left"]) == (False, "3")
    assert len(done["deliveries"]) == 2
    assert len(office.sales(party)) == 1


@pytest.mark.flow("SAP-3")
def test_a_request_over_the_stations_credit_goes_back_with_the_reason_and_is_corrected(
    office: Office, stations: Stations
) -> None:
    sku = office.product("MRC", "100", 50)
    station, _, _ = stations.station("transfer", credit="1000EUR")
    number = stations.ask(station, f"{sku}=11", supply="transfer")
    refused = stations.reaches(number, "refused")
    assert "over the credit limit of 1000" in refused["reason"]
    assert stations.warehouse.transfers(number) == []
    stations.call("request", "correct", number, f"{sku}=4")
    stations.reaches(number, "ordered")
    # What is on its way counts against the limit.
    more = stations.ask(station, f"{sku}=7", supply="transfer")
    assert "400 are used" in stations.reaches(more, "refused")["reason"]


@pytest.mark.flow("SAP-3")
def test_a_refused_request_goes_back_with_the_reason_of_whoever_refused(office: Office, stations: Stations) -> None:
    sku = office.product("MRR", "100", 50)
    station, _, _ = stations.station("transfer")
    number = stations.ask(station, f"{sku}=9", supply="transfer")
    stations.decide(number, "refuse", "too much for one month")
    refused = stations.reaches(number, "refused")
    assert "too much for one month" in refused["reason"]
    assert stations.warehouse.transfers(number) == []
    stations.told(number, "request_refused")


@pytest.mark.flow("SAP-3")
def test_a_request_is_withdrawn_before_it_is_ordered_and_not_afterwards(office: Office, stations: Stations) -> None:
    sku = office.product("MRW", "100", 50)
    station, _, _ = stations.station("transfer")
    number = stations.ask(station, f"{sku}=9", supply="transfer")
    stations.reaches(number, "checked")
    stations.call("request", "cancel", number, "--by", "sam")
    assert stations.request(number)["state"] == "cancelled"
    other = stations.ask(station, f"{sku}=1", supply="transfer")
    stations.reaches(other, "ordered")
    assert office.isthmus("request", "cancel", other).code != 0


@pytest.mark.flow("SAP-1")
def test_the_organisation_is_the_same_on_both_sides(office: Office, stations: Stations) -> None:
    station, _, _ = stations.station("transfer", "fill_up")
    said = office.isthmus("organisation", "check", "--json")
    checked = {one["number"]: one for one in said.json}
    assert checked[station]["faults"] == []
    assert checked[station]["parent"] == "C-NORTH"
    assert checked["C-NORTH"]["parent"] == "HO"
    stations.call("organisation", "add", "LOST", "Lost", "station", "--below", "C-NORTH", "--place", "NOWHERE")
    said = office.isthmus("organisation", "check", "--json")
    assert said.code == 1
    (lost,) = (one for one in said.json if one["number"] == "LOST")
    assert "NOWHERE" in lost["faults"][0]
    assert office.isthmus("organisation", "add", "X", "X", "station", "--below", "HO").code != 0
