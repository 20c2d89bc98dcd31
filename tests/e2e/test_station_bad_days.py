"""Bad days of service stations, on the real ERP: it is down, the hub is killed at every moment, documents are cancelled
behind its back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from isthmus.testing import Fault
from tests.e2e.office import Office, see
from tests.e2e.stations import REQUESTER, Stations
from tests.e2e.weather import Weather, bad_weather, says

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stations(office: Office) -> Stations:
    return Stations(office)


def kill(office: Office) -> None:
    """The hub dies at once, and is started again."""
    pid = office.stage.hub_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    if office.stage._hub is not None:
        office.stage._hub.wait()
    office.stage.start_hub()


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-4")
def test_a_hub_killed_at_each_step_of_a_request_orders_once(office: Office, stations: Stations) -> None:
    sku = office.product("KILL", "100", 20)
    station, _, _ = stations.station("fill_up")
    number = stations.ask(station, f"{sku}=12", supply="fill_up")
    kill(office)
    stations.decide(number, "approve")
    kill(office)
    stations.reaches(number, "ordered")
    transfer = stations.waiting(number)
    kill(office)
    stations.warehouse.send_transfer(transfer["id"], {sku: 7})
    kill(office)
    stations.asks(number, "planner")
    stations.call("request", "rest", number, "deliver", "--by", "paula")
    kill(office)
    rest = stations.waiting(f"{number}/2")
    stations.warehouse.send_transfer(rest["id"])
    kill(office)
    done = stations.reaches(number, "complete")
    assert (done["lines"][0]["shipped"], done["lines"][0]["left"]) == ("12", "0")
    assert len(stations.warehouse.transfers(number)) == len(stations.warehouse.transfers(f"{number}/2")) == 1


@pytest.mark.flow("SAP-9")
def test_a_hub_killed_while_it_receives_a_return_receives_once(office: Office, stations: Stations) -> None:
    sku = office.product("KRET", "10", 5)
    station, _, _ = stations.station()
    numbers = []
    for _ in range(3):
        made = stations.call("return", "new", station, f"{sku}=2", "--for", REQUESTER, "--credit")
        numbers.append(made["fields"]["number"])
        stations.call("return", "send", numbers[-1])
    for at, number in enumerate(numbers):
        see(lambda: stations.call("return", "show", number)["document"]["fields"]["state"] == "sent")  # noqa: B023
        stations.call("return", "count", number, f"{sku}=2", "--by", "cleo")
        time.sleep(0.3 * at)
        kill(office)
    for number in numbers:
        see(lambda: stations.call("return", "show", number)["document"]["fields"]["state"] == "received")  # noqa: B023
        assert len(stations.warehouse.returns(number)) == len(office.erin.sales(number)) == 1
    assert office.erin.stock(sku) == 11


@pytest.mark.flow("SAP-4")
def test_a_delivery_cancelled_in_the_erp_is_gone_and_the_planner_orders_anew(
    office: Office, stations: Stations
) -> None:
    sku = office.product("CANC", "10", 20)
    station, _, _ = stations.station("transfer")
    number = stations.ask(station, f"{sku}=5", supply="transfer")
    stations.reaches(number, "ordered")
    transfer = stations.waiting(number)
    see(lambda: stations.deliveries(number) == [("planned", False, ["5"])])
    office.erin.insist("model.stock.shipment.internal.cancel", [transfer["id"]])
    see(lambda: stations.deliveries(number) == [])
    waits = stations.asks(number, "planner")
    assert f"No delivery is planned for 5 {sku}" in waits["question"]
    stations.call("request", "rest", number, "deliver", "--by", "paula")
    anew = stations.waiting(f"{number}/2")
    stations.warehouse.send_transfer(anew["id"])
    stations.warehouse.receive_transfer(anew["id"])
    done = stations.reaches(number, "complete")
    assert (done["whole"], [one["state"] for one in done["deliveries"]]) == (True, ["done"])


@pytest.mark.flow("SAP-3")
def test_two_clients_that_ask_with_the_same_key_have_asked_once(office: Office, stations: Stations) -> None:
    sku = office.product("KEY", "10", 20)
    station, _, _ = stations.station("transfer")
    words = ("request", "new", station, f"{sku}=1", "--for", REQUESTER, "--key", f"key-{station}")
    first, again = stations.call(*words), stations.call(*words)
    assert first["id"] == again["id"]
    stations.reaches(first["fields"]["number"], "ordered")
    assert len(stations.warehouse.transfers(first["fields"]["number"])) == 1


@pytest.mark.flow("SAP-3")
def test_credit_that_was_used_up_before_the_order_is_for_the_order_desk(office: Office, stations: Stations) -> None:
    sku = office.product("USED", "100", 20)
    station, _, party = stations.station()
    number = stations.ask(station, f"{sku}=6", supply="sales_order")
    stations.reaches(number, "checked")
    office.erin.patch_party(party, credit_limit_amount=Decimal(10))
    stations.decide(number, "approve")
    waits = stations.asks(number, "order desk")
    assert "credit limit" in see(lambda: (text := stations.request(number).get("reason")) and "credit" in text and text)
    assert waits["state"] == "waiting"
    office.erin.patch_party(party, credit_limit_amount=Decimal(100000))
    assert office.isthmus("retry").code == 0
    see(lambda: [one for one in office.sales(party) if one["state"] == "processing"])
    see(lambda: stations.deliveries(number) == [("planned", False, ["6"])])
    see(lambda: stations.request(number).get("reason") is None)


@pytest.fixture(scope="module")
def behind_proxies(office: Office, stations: Stations) -> Iterator[Weather]:
    """From here on the hub reaches the ERP only through a proxy."""
    with bad_weather(office) as weather:
        office.stage.start_hub()
        yield weather


@pytest.fixture
def weather(behind_proxies: Weather) -> Iterator[Weather]:
    """Good at first."""
    yield behind_proxies
    behind_proxies.heal()


@pytest.mark.flow("SAP-3")
def test_a_request_is_kept_and_goes_on_when_the_erp_is_back(
    office: Office, stations: Stations, weather: Weather
) -> None:
    sku = office.product("MDOWN", "10", 20)
    station, _, _ = stations.station("transfer")
    weather.down("erp")
    number = stations.ask(station, f"{sku}=5", supply="transfer")
    waits = see(lambda: (found := stations.request(number)["waits"]).get("state") == "retrying" and found)
    assert waits["step"] == "ask the ERP"
    weather.heal()
    stations.reaches(number, "ordered")
    assert len(stations.warehouse.transfers(number)) == 1


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-9")
def test_answers_that_are_lost_make_nothing_twice(office: Office, stations: Stations, weather: Weather) -> None:
    sku = office.product("MLOST", "10", 20)
    station, _, _ = stations.station("transfer")
    weather.erp.fail(Fault.SWALLOW, when=says("stock.shipment.internal.create"), times=2)
    weather.erp.fail(Fault.SWALLOW, when=says("stock.shipment.internal.wait"), times=1)
    weather.erp.fail(Fault.SWALLOW, when=says("shipment.out.return.create"), times=1)
    weather.erp.fail(Fault.SWALLOW, when=says("shipment.out.return.receive"), times=1)
    number = stations.ask(station, f"{sku}=5", supply="transfer")
    stations.reaches(number, "ordered")
    stations.waiting(number)
    back = stations.call("return", "new", station, f"{sku}=2", "--for", REQUESTER)["fields"]["number"]
    stations.call("return", "send", back)
    see(lambda: stations.call("return", "show", back)["document"]["fields"]["state"] == "sent")
    stations.call("return", "count", back, f"{sku}=2", "--by", "cleo")
    see(lambda: stations.call("return", "show", back)["document"]["fields"]["state"] == "received")
    assert [one["state"] for one in stations.warehouse.returns(back)] == ["done"]
    assert office.erin.stock(sku) == 22
