"""Orders taken by the hub at the ERP's price, stock and credit, on the real ERP (WEB-2, WEB-4)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.office import Office, Said, money, see
from tests.e2e.weather import Weather, bad_weather

pytestmark = [pytest.mark.lab]

WAIT = ("--wait", "60")
"""The ERP's number is waited for, also on a busy machine."""


def simulated(office: Office, customer: str, **quantities: object) -> dict[str, Any]:
    """A simulation of SKU=quantity (SKUs with _ for -)."""
    lines = [f"{sku.replace('_', '-')}={quantity}" for sku, quantity in quantities.items()]
    said = office.isthmus("order", "simulate", customer, *lines, "--json")
    assert said.code == 0, said
    found: dict[str, Any] = said.json
    return found


def placed(office: Office, simulation: dict[str, Any], *more: str) -> Said:
    return office.isthmus("order", "place", str(simulation["id"]), "--by", "wanda", "--json", *WAIT, *more)


def shown(office: Office, order: str) -> dict[str, Any]:
    said = office.isthmus("order", "show", order, "--json")
    assert said.code == 0, said
    found: dict[str, Any] = said.json
    return found


def beside(office: Office, *words: str) -> subprocess.Popen[str]:
    """A client of its own, at the same time as others."""
    command = [sys.executable, "-m", "isthmus", *words, "-C", str(office.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def buyer(office: Office, word: str) -> tuple[str, int]:
    """Name and party of a customer that is in step."""
    account, party = office.customer(word)
    return str(office.account(account)["name"]), party


@pytest.fixture
def sku(office: Office) -> str:
    return office.product("DESK", "100", 50).replace("-", "_")


@pytest.mark.flow("WEB-2")
@pytest.mark.flow("ERP-3")
@pytest.mark.flow("ERP-5")
def test_what_was_simulated_is_what_is_ordered_shipped_billed_and_paid(office: Office, sku: str) -> None:
    code = sku.replace("_", "-")
    account, party = office.customer("Desk")
    name = str(office.account(account)["name"])
    office.contact(account)  # the CRM shows no invoice of an account without people
    office.erin.set_price_list(party, "Dealer")
    found = simulated(office, name, **{sku: 12})
    [line] = found["truth"]["lines"]
    assert (money(line["unit_price"]), money(line["discount_rate"])) == (80, money("0.2")), "from ten on, 20 %"
    assert money(line["on_hand"]) == 50
    assert line["date"]
    said = placed(office, found)
    assert said.code == 0, said
    answer = said.json
    (sale,) = office.sales(party)
    assert answer["state"] == "ordered"
    assert answer["number"] == sale["number"]
    assert money(answer["total"]) == sale["total_amount"] == money(found["truth"]["total"])
    assert money(answer["discount"]) == money(found["truth"]["discount"]) == 240
    see(lambda: office.sales(party)[0]["state"] == "processing")
    # Twice by accident: the same answer, and nothing new.
    assert placed(office, found).json["number"] == sale["number"]
    assert len(office.sales(party)) == 1

    view = shown(office, sale["number"])
    assert view["deviations"] == []
    office.erin.ship(int(sale["id"]), {code: 5})
    see(lambda: money(shown(office, sale["number"])["ledger"]["lines"][0]["shipped"]) == 5)
    office.erin.ship(int(sale["id"]))
    (draft,) = office.erin.invoices(int(sale["id"]))
    invoice = office.erin.post_invoice(int(draft["id"]))
    office.erin.pay(int(invoice["id"]), "152")

    def books() -> dict[str, Any] | None:
        found: dict[str, Any] = shown(office, sale["number"])["ledger"]
        [row] = found["lines"]
        whole = money(row["shipped"]) == 12 and money(row["invoiced"]) == 12 and money(found["paid"]) == 152
        return found if whole else None

    ledger = see(books)
    [row] = ledger["lines"]
    assert (money(row["open"]), money(row["over"]), money(row["to_bill"])) == (0, 0, 0)
    assert (money(row["billed"]), money(ledger["billed"])) == (960, invoice["total_amount"])
    see(lambda: money(shown(office, sale["number"])["ledger"]["unexplained"]) == 0)
    # The CRM has no such order, and shows its invoice all the same.
    mirror = see(lambda: [one for one in office.carl.invoices() if one["invoice_title"] == invoice["number"]])[0]
    see(lambda: money(office.custom(office.carl.invoice(mirror["id"]), "erp_open")) == invoice["total_amount"] - 152)


@pytest.mark.flow("WEB-2")
def test_two_clients_that_order_at_the_same_moment_make_one_order(office: Office, sku: str) -> None:
    name, party = buyer(office, "Twice")
    found = simulated(office, name, **{sku: 1})
    clients = [beside(office, "order", "place", found["id"], "--json", *WAIT) for _ in range(3)]
    answers = [json.loads(client.communicate(timeout=150)[0]) for client in clients]
    assert {answer["order"] for answer in answers} == {f"order-{found['id']}"}
    see(lambda: any(sale["state"] == "processing" for sale in office.sales(party)))
    assert len(office.sales(party)) == 1
    # Another browser has simulated for itself, but it is the same cart.
    one, other = simulated(office, name, **{sku: 2}), simulated(office, name, **{sku: 2})
    clients = [
        beside(office, "order", "place", s["id"], "--key", f"cart {found['id']}", "--json", *WAIT) for s in (one, other)
    ]
    answers = [json.loads(client.communicate(timeout=150)[0]) for client in clients]
    assert len({answer["order"] for answer in answers}) == 1
    see(lambda: sum(sale["state"] == "processing" for sale in office.sales(party)) == 2)
    assert len(office.sales(party)) == 2


@pytest.mark.flow("WEB-2")
def test_a_price_that_changed_in_between_is_shown_and_not_ordered(office: Office, sku: str) -> None:
    name, party = buyer(office, "Prices")
    found = simulated(office, name, **{sku: 3})
    office.erin.change_list_price(sku.replace("_", "-"), "110")
    said = placed(office, found)
    assert said.code == 1
    answer = said.json
    assert answer["state"] == "moved"
    assert [(one["what"], one["line"]) for one in answer["differences"]] == [("price", 1), ("total", None)]
    assert money(answer["differences"][0]["now"]) == 110
    assert office.sales(party) == []
    said = placed(office, answer["simulation"])
    assert (said.code, said.json["state"]) == (0, "ordered")
    (sale,) = office.sales(party)
    assert sale["untaxed_amount"] == 330


@pytest.mark.flow("WEB-2")
@pytest.mark.flow("ERP-5")
def test_stock_and_credit_that_were_used_up_in_between_are_shown(office: Office, sku: str) -> None:
    code = sku.replace("_", "-")
    name, party = buyer(office, "Credit")
    _, rival = buyer(office, "Rival")
    office.erin.patch_party(party, credit_limit_amount=Decimal(1000))
    found = simulated(office, name, **{sku: 8})
    assert money(found["truth"]["credit"]["after"]) == 800
    sold = office.erin.create_sale(rival, {code: 45})
    office.erin.confirm_sale(sold)
    answer = placed(office, found).json
    assert [(one["what"], one["now"]) for one in answer["differences"]] == [("date", "none")]
    office.erin.set_stock(code, 200)
    office.erin.confirm_sale(office.erin.create_sale(party, {code: 5}))
    answer = placed(office, found).json
    assert [one["what"] for one in answer["differences"]] == ["credit"]
    # Placing all the same: the ERP would refuse it, so the hub does.
    said = placed(office, answer["simulation"])
    assert (said.code, said.json["state"]) == (1, "refused")
    assert "1000" in said.json["reason"]
    assert len(office.sales(party)) == 1


@pytest.mark.flow("WEB-2")
def test_what_people_of_the_erp_do_to_the_order_is_shown(office: Office, sku: str) -> None:
    name, party = buyer(office, "Behind")
    found = simulated(office, name, **{sku: 4})
    answer = placed(office, found).json
    sale = see(lambda: next((one for one in office.sales(party) if one["shipments"]), None))
    (shipment,) = office.erin.shipments(int(sale["id"]))
    # Erin ships three of four, and gives up the rest.
    office.erin.ship(int(sale["id"]), {sku.replace("_", "-"): 3})
    see(lambda: money(shown(office, answer["number"])["ledger"]["lines"][0]["shipped"]) == 3)
    rest = office.erin.shipments(int(sale["id"]))[-1]
    assert rest["id"] != shipment["id"]
    office.erin.insist("model.stock.shipment.out.cancel", [rest["id"]])

    def books() -> bool:
        row = shown(office, answer["number"])["ledger"]["lines"][0]
        return (money(row["ordered"]), money(row["shipped"]), money(row["open"])) == (4, 3, 1)

    see(books)


@pytest.mark.flow("WEB-2")
def test_a_client_that_is_killed_while_it_orders_and_orders_again_has_ordered_once(office: Office, sku: str) -> None:
    name, party = buyer(office, "Killed")
    for wait in (0.6, 1.2, 1.8):
        found = simulated(office, name, **{sku: 1})
        client = beside(office, "order", "place", found["id"], "--json")
        try:
            client.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            client.send_signal(signal.SIGKILL)
            client.communicate()
        before = len(office.sales(party))
        answer = placed(office, found, "--wait", "30").json
        assert answer["state"] == "ordered"
        assert len(office.sales(party)) <= before + 1
    assert len(office.sales(party)) == 3


@pytest.mark.timeout(600)
@pytest.mark.flow("WEB-2")
def test_a_hub_that_is_killed_right_after_the_order_makes_it_once(office: Office, sku: str) -> None:
    name, party = buyer(office, "Hubless")
    found = simulated(office, name, **{sku: 1})
    said = placed(office, found, "--wait", "0")
    pid = office.stage.hub_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    if office.stage._hub is not None:
        office.stage._hub.wait()
    assert said.json["order"] == f"order-{found['id']}"
    office.stage.start_hub()
    see(lambda: shown(office, found["id"])["order"]["fields"].get("state") == "processing")
    assert len(office.sales(party)) == 1
    # Its process has lived through it too.
    see(lambda: office.isthmus("process", "show", f"order-{found['id']}", "--json").json["process"]["state"] == "done")


@pytest.fixture(scope="module")
def behind_proxies(office: Office) -> Iterator[Weather]:
    """From here on the hub runs behind proxies that can refuse connections."""
    with bad_weather(office) as weather:
        office.stage.start_hub()
        yield weather


@pytest.fixture
def weather(behind_proxies: Weather) -> Iterator[Weather]:
    """Good at first."""
    yield behind_proxies
    behind_proxies.heal()


@pytest.mark.timeout(600)
@pytest.mark.flow("WEB-2")
def test_the_order_is_kept_and_confirmed_when_the_erp_is_back(office: Office, weather: Weather) -> None:
    code = office.product("DOWN", "100", 50)
    name, party = buyer(office, "Down")
    found = simulated(office, name, **{code.replace("-", "_"): 2})
    weather.down("erp")
    said = placed(office, found, "--wait", "1")
    assert (said.code, said.json["state"]) == (4, "kept")
    assert placed(office, found, "--wait", "1").json["order"] == said.json["order"]
    weather.heal()
    see(lambda: placed(office, found, "--wait", "0").json["state"] == "ordered")
    (sale,) = office.sales(party)
    assert money(said.json["simulation"]["truth"]["total"]) == sale["total_amount"]


@pytest.mark.timeout(600)
@pytest.mark.flow("WEB-2")
def test_terms_that_moved_meanwhile_are_accepted_by_somebody_first(office: Office, weather: Weather) -> None:
    code = office.product("MEAN", "100", 50)
    name, party = buyer(office, "Meanwhile")
    yes, no = (simulated(office, name, **{code.replace("-", "_"): quantity}) for quantity in (2, 3))
    weather.down("erp")
    for found in (yes, no):
        assert placed(office, found, "--wait", "0").json["state"] == "kept"
    office.erin.change_list_price(code, "120")
    weather.heal()
    for found, word in ((yes, "yes"), (no, "no")):
        asked = see(lambda: placed(office, found, "--wait", "0").json["reason"])  # noqa: B023
        assert "100" in asked
        assert "120" in asked
        assert office.isthmus("order", "answer", f"order-{found['id']}", word, "--by", "wanda").code == 0
    see(lambda: placed(office, yes, "--wait", "0").json["state"] == "ordered")
    see(lambda: placed(office, no, "--wait", "0").json["state"] == "cancelled")
    (sale,) = office.sales(party)
    assert sale["untaxed_amount"] == 240
    assert "price" in {one["what"] for one in shown(office, sale["number"])["deviations"]}
