"""Quotes at the ERP's price: made, approved, sent, revised, answered, and ordered once, on the real systems (ERP-3)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.office import Office, Said, money, see
from tests.e2e.weather import Weather, bad_weather

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SALES = "sara@sales.example"
BOSS = "boss@sales.example"
APPROVALS = f"""\
currency: EUR
rules:
  - rule: usual_quotes
    document: Quote
    when: {{discount: {{below: 0.1}}}}
    ask: nobody
  - rule: cheap_quotes
    document: Quote
    ask: [{{stage: boss, who: {BOSS}, within: 2d}}]
"""


class Desk:
    """Sales, who make quotes by the command line."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def call(self, *words: str) -> Any:
        """A command that has to work; its JSON."""
        said = self.office.isthmus("quote", *words, "--json")
        assert said.code == 0, said
        return said.json

    def made(self, *words: str) -> str:
        """A new draft's number."""
        return str(self.call("make", *words, "--by", SALES)["fields"]["number"])

    def fields(self, number: str) -> dict[str, Any]:
        view = self.call("show", number)
        assert (view["process"] or {}).get("state") != "failed", view["process"]
        found: dict[str, Any] = view["quote"]["fields"]
        return found

    def sent(self, number: str) -> str:
        """Send a draft, and wait until it is."""
        self.call("send", number)
        see(lambda: self.fields(number)["state"] == "sent")
        return number

    def accept(self, number: str, *more: str) -> Said:
        return self.office.isthmus(
            "quote", "accept", number, "--by", "bo@buyer.example", "--wait", "20", "--json", *more
        )


@pytest.fixture(scope="module")
def desk(office: Office) -> Iterator[Desk]:
    """The rules of this company are in force; afterwards they are not any more."""
    path = office.folder / "approvals.yaml"
    before = path.read_text() if path.exists() else None
    office.stage.stop_hub()
    path.write_text(APPROVALS)
    office.stage.start_hub()
    yield Desk(office)
    office.stage.stop_hub()
    path.unlink() if before is None else path.write_text(before)
    office.stage.start_hub()


def buyer(office: Office, word: str) -> tuple[str, int, str]:
    """Name, party and mailbox of a customer that is in step."""
    account, party = office.customer(word)
    found = office.account(account)
    return str(found["name"]), party, str(found["email"])


@pytest.mark.flow("ERP-3")
@pytest.mark.flow("ERP-5")
def test_a_quote_below_the_erps_price_is_approved_sent_and_accepted_once(office: Office, desk: Desk) -> None:
    sku = office.product("QUOT", "100", 50)
    name, party, mailbox = buyer(office, "Quoted")
    office.erin.set_price_list(party, "Dealer")
    number = desk.made(f"{sku}=12", "--customer", name, "--discount", "15", "--note", "As agreed on the phone")
    draft = desk.fields(number)
    [line] = draft["lines"]
    assert (money(line["own_price"]), money(line["unit_price"])) == (80, 68), (
        "15 % below the dealer's price from ten on"
    )
    assert (money(draft["net_total"]["amount"]), money(draft["conceded"])) == (816, money("0.15"))
    assert money(draft["total"]["amount"]) == money("971.04"), "Tryton's own tax of 19 % on it"
    assert (money(line["on_hand"]), bool(line["available_on"])) == (50, True)

    desk.call("send", number)
    see(lambda: desk.fields(number)["state"] == "approving")
    assert desk.accept(number).code == 1, "nobody accepts what was not sent"
    asked = see(lambda: [one for one in office.isthmus("approve", "list", "--json").json if one["key"] == number])
    assert office.isthmus("approve", "decide", asked[0]["id"], "approve", "--by", BOSS).code == 0
    see(lambda: desk.fields(number)["state"] == "sent")
    mails = see(lambda: office.rows("select * from notice where key = %s and milestone = 'quote_sent'", number))
    assert [one["recipient"] for one in mails] == [mailbox]

    # Twice by accident, at the same moment, and once more: one order, at the price that was offered.
    words = ["quote", "accept", number, "--by", "bo", "--wait", "20", "--json", "-C", str(office.folder)]
    clients = [
        subprocess.Popen([sys.executable, "-m", "isthmus", *words], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    answers = [json.loads(client.communicate(timeout=90)[0]) for client in clients]
    (sale,) = office.sales(party)
    assert {answer["order"] for answer in answers} == {answers[0]["order"]}
    again = desk.accept(number)
    assert (again.code, again.json["number"]) == (0, sale["number"])
    assert money(again.json["total"]) == sale["total_amount"] == money("971.04")
    assert sale["untaxed_amount"] == 816
    assert len(office.sales(party)) == 1
    shown = office.isthmus("order", "show", sale["number"], "--json").json
    assert shown["deviations"] == []

    view = desk.call("show", number)
    assert (view["quote"]["fields"]["state"], view["order"]["fields"]["number"]) == ("accepted", sale["number"])
    told = see(lambda: office.rows("select * from notice where key = %s and milestone = 'quote_answered'", number))
    assert [one["recipient"] for one in told] == [SALES]
    roots = office.isthmus("trace", number, "--json").json["roots"]
    assert [(one["entity"], one["children"][0]["entity"]) for one in roots] == [("Quote", "SalesOrder")]


@pytest.mark.flow("ERP-3")
def test_the_quote_of_a_deal_is_shown_in_the_crm_and_is_its_order_when_it_is_won(office: Office, desk: Desk) -> None:
    sku = office.product("DEAL", "200", 20)
    account, party = office.customer("Dealer")
    title, _ = office.new("Offer")
    deal = office.carl.create_opportunity(account, title, [(sku, 2, None)])
    see(lambda: office.rows("select 1 from item where entity = 'Opportunity' and fields->>'name' = %s", title))
    number = desk.sent(desk.made("--opportunity", title, "--discount", "5"))
    see(lambda: (office.deal(deal, "erp_quote"), office.deal(deal, "erp_quote_state")) == (number, "sent"))
    assert money(office.deal(deal, "erp_quote_total")) == money("452.20")

    done = desk.accept(number)
    assert (done.code, done.json["state"]) == (0, "ordered"), done
    see(lambda: office.deal(deal, "erp_quote_state") == "accepted")
    (sale,) = office.sales(party)
    assert sale["untaxed_amount"] == 380
    roots = office.isthmus("trace", sale["number"], "--json").json["roots"]
    below = roots[0]["children"][0]
    assert [roots[0]["entity"], below["entity"], below["children"][0]["entity"]] == [
        "Opportunity",
        "Quote",
        "SalesOrder",
    ]
    # Sales wins the deal in the CRM: it is that order, and nothing is ordered a second time.
    office.carl.set_stage(deal, "CLOSED_WON")
    see(lambda: office.deal(deal, "erp_order_number") == sale["number"])
    assert len(office.sales(party)) == 1


@pytest.mark.flow("ERP-3")
def test_a_deal_that_was_won_first_is_the_order_of_its_quote(office: Office, desk: Desk) -> None:
    sku = office.product("WON", "50", 20)
    account, party = office.customer("Winner")
    title, _ = office.new("First")
    deal = office.carl.create_opportunity(account, title, [(sku, 2, None)])
    see(lambda: office.rows("select 1 from item where entity = 'Opportunity' and fields->>'name' = %s", title))
    number = desk.sent(desk.made("--opportunity", title))
    office.carl.set_stage(deal, "CLOSED_WON")
    sale = see(lambda: next((one for one in office.sales(party) if one["state"] == "processing"), None))
    done = desk.accept(number)
    assert (done.code, done.json["number"]) == (0, sale["number"]), done
    assert len(office.sales(party)) == 1


@pytest.mark.flow("ERP-3")
def test_a_deal_that_was_won_while_its_cheaper_quote_was_open_is_one_order_and_says_so(
    office: Office, desk: Desk
) -> None:
    sku = office.product("OVER", "100", 20)
    account, party = office.customer("Overtaken")
    title, _ = office.new("Hasty")
    deal = office.carl.create_opportunity(account, title, [(sku, 2, None)])
    see(lambda: office.rows("select 1 from item where entity = 'Opportunity' and fields->>'name' = %s", title))
    number = desk.sent(desk.made("--opportunity", title, "--discount", "5"))
    office.carl.set_stage(deal, "CLOSED_WON")
    sale = see(lambda: next((one for one in office.sales(party) if one["state"] == "processing"), None))
    assert (sale["untaxed_amount"], desk.fields(number)["state"]) == (200, "sent"), (
        "at the ERP's price: nobody accepted"
    )

    said = desk.accept(number)
    assert (said.code, said.json["state"], said.json["number"]) == (1, "moved", sale["number"]), said
    assert [(one["what"], money(one["before"]), money(one["now"])) for one in said.json["differences"]] == [
        ("price", 95, 100),
        ("total", money("226.10"), money("238.00")),
    ]
    assert (desk.fields(number)["state"], len(office.sales(party))) == ("sent", 1)
    done = desk.accept(number, "--seen", said.json["simulation"]["id"])
    assert (done.code, done.json["state"], done.json["number"]) == (0, "ordered", sale["number"]), done
    again = desk.accept(number)
    assert (again.code, again.json["number"]) == (0, sale["number"])
    see(lambda: office.deal(deal, "erp_quote_state") == "accepted")
    assert office.deal(deal, "erp_order_number") == sale["number"]
    office.settle()
    assert [one["number"] for one in office.sales(party)] == [sale["number"]]
    roots = office.isthmus("trace", sale["number"], "--json").json["roots"]
    found = [one for one in roots if one["entity"] == "Opportunity"]
    assert [[child["name"] for child in one["children"] if child["entity"] == "Quote"] for one in found] == [[number]]


@pytest.mark.flow("ERP-3")
def test_a_price_that_moved_is_kept_and_what_cannot_be_kept_is_shown_first(office: Office, desk: Desk) -> None:
    sku = office.product("KEEP", "100", 10)
    name, party, _ = buyer(office, "Keeper")
    _, rival = office.customer("Greedy")
    number = desk.sent(desk.made(f"{sku}=4", "--customer", name))
    office.erin.change_list_price(sku, "130")
    # Somebody else takes the stock: the day cannot be kept.
    office.erin.confirm_sale(office.erin.create_sale(rival, {sku: 8}))
    said = desk.accept(number)
    assert (said.code, said.json["state"]) == (1, "moved")
    assert [(one["what"], one["now"]) for one in said.json["differences"]] == [("date", "none")]
    assert [(money(one["before"]), money(one["now"])) for one in said.json["held"]] == [(100, 130)]
    assert office.sales(party) == []
    done = desk.accept(number, "--seen", said.json["simulation"]["id"])
    assert (done.code, done.json["state"]) == (0, "ordered"), done
    (sale,) = office.sales(party)
    assert sale["untaxed_amount"] == 400, "the price of the quote"
    assert (
        office.isthmus("order", "place", desk.fields(number)["simulation"], "--json").json["number"] == sale["number"]
    )


@pytest.mark.flow("ERP-3")
def test_a_revised_quote_replaces_the_former_and_a_late_one_is_refused(office: Office, desk: Desk) -> None:
    sku = office.product("REVI", "100", 50)
    name, party, mailbox = buyer(office, "Reviser")
    first = desk.sent(desk.made(f"{sku}=2", "--customer", name, "--discount", "3"))
    # What the quote was priced by is no way around its approval.
    around = office.isthmus("order", "place", desk.fields(first)["simulation"], "--json")
    assert (around.code, "quote accept" in around.err) == (1, True), around
    second = desk.call("revise", first, f"{sku}=5", "--by", SALES)["fields"]["number"]
    assert second == f"{first}.2"
    refused = desk.accept(first)
    assert (refused.code, second in refused.err) == (1, True), refused
    assert desk.fields(first)["state"] == "replaced"
    assert desk.call("show", second)["versions"] == [first, second]
    third = desk.call("revise", second, "--until", _soon(30), "--by", SALES)["fields"]["number"]
    desk.sent(third)
    see(lambda: desk.fields(third)["state"] == "expired", 60)
    late = desk.accept(third)
    assert (late.code, "held until" in late.err) == (1, True), late
    assert office.sales(party) == []
    fourth = desk.sent(desk.call("revise", third, "--by", SALES)["fields"]["number"])
    assert desk.call("reject", fourth, "--reason", "Too dear", "--by", mailbox)["fields"]["state"] == "rejected"
    assert desk.accept(fourth).code == 1
    assert office.sales(party) == []


@pytest.mark.flow("ERP-3")
def test_a_prospect_asks_for_a_quote_and_sales_answers(office: Office, desk: Desk) -> None:
    sku = office.product("ASKE", "10", 50)
    name, _, _ = buyer(office, "Asker")
    key = f"web {name}".replace(" ", "-")
    words = (f"{sku}=3", "--prospect", "Nobody yet", "--email", "new@prospect.example", "--key", key)
    asked = desk.call("request", *words)["fields"]
    assert desk.call("request", *words)["fields"]["number"] == asked["number"]
    view = desk.call("show", asked["number"])
    see(lambda: desk.call("show", asked["number"])["process"]["who"] == "sales")
    assert (view["quote"]["fields"]["state"], view["customer"]) == ("requested", "Nobody yet")
    # Sales has made a customer of the prospect.
    number = desk.made("--request", asked["number"], "--customer", name)
    assert number == asked["number"]
    desk.sent(number)
    mails = see(lambda: office.rows("select * from notice where key = %s and milestone = 'quote_sent'", number))
    assert [one["recipient"] for one in mails] == ["new@prospect.example"]
    assert money(desk.fields(number)["net_total"]["amount"]) == 30


@pytest.mark.flow("ERP-3")
def test_a_hub_killed_right_after_the_acceptance_orders_once(office: Office, desk: Desk) -> None:
    sku = office.product("KILL", "100", 50)
    name, party, _ = buyer(office, "Hubgone")
    number = desk.sent(desk.made(f"{sku}=1", "--customer", name))
    done = office.isthmus("quote", "accept", number, "--by", "bo", "--wait", "0", "--json").json
    pid = office.stage.hub_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    if office.stage._hub is not None:
        office.stage._hub.wait()
    assert desk.accept(number, "--wait", "0").json["order"] == done["order"]
    office.stage.start_hub()
    see(lambda: desk.accept(number, "--wait", "0").json["state"] == "ordered", 120)
    assert len(office.sales(party)) == 1
    see(lambda: desk.call("show", number)["process"]["state"] == "done")


@pytest.fixture
def weather(office: Office, desk: Desk) -> Iterator[Weather]:
    """The hub runs behind a proxy that can refuse connections."""
    with bad_weather(office) as weather:
        office.stage.start_hub()
        yield weather


@pytest.mark.flow("ERP-3")
def test_an_acceptance_while_the_erp_is_down_is_kept_at_the_quotes_price(
    office: Office, desk: Desk, weather: Weather
) -> None:
    sku = office.product("GONE", "100", 50)
    name, party, _ = buyer(office, "Offline")
    number = desk.sent(desk.made(f"{sku}=2", "--customer", name, "--discount", "4"))
    weather.down("erp")
    said = office.isthmus("quote", "accept", number, "--by", "bo", "--wait", "0", "--json")
    assert (said.code, said.json["state"]) == (4, "kept")
    office.erin.change_list_price(sku, "150")
    weather.heal()
    see(lambda: desk.accept(number, "--wait", "0").json["state"] == "ordered", 120)
    (sale,) = office.sales(party)
    assert sale["untaxed_amount"] == Decimal(192)


def _soon(seconds: float) -> str:
    return re.sub(r" ", "T", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + seconds))) + "+00:00"
