"""Cost and margin from the real ERP: shown by role, weighed by the rules of approvals, told to no customer (ERP-8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.office import Office, money, see
from tests.e2e.test_api import Shop

pytestmark = [pytest.mark.lab, pytest.mark.flow("ERP-8"), pytest.mark.timeout(600)]

SALES, BOSS = "sales@acme.example", "boss@acme.example"
APPROVALS = f"""\
currency: EUR
rules:
  - rule: good_quotes
    document: Quote
    when: {{margin: {{from: 30%}}}}
    ask: nobody
  - rule: thin_quotes
    document: Quote
    ask: [{{stage: boss, who: {BOSS}, within: 2d}}]
"""
COST = "57.3719"
"""Like no other figure: it can be looked for in whatever people are shown."""


@pytest.fixture(scope="module", autouse=True)
def rules(office: Office) -> Iterator[None]:
    """The rules of this company are in force."""
    with office.approving(APPROVALS):
        yield


def tells(text: str) -> bool:
    return COST in text or "114.74" in text


def simulated(office: Office, customer: str, sku: str, *more: str) -> Any:
    said = office.isthmus("order", "simulate", customer, f"{sku}=2", "--json", *more)
    assert said.code == 0, said
    return said.json


def test_cost_and_margin_of_an_order_are_the_erps_and_for_whom_the_role_is(office: Office) -> None:
    sku = office.product("COST", "100", cost=COST)
    account, _ = office.customer("Costed")
    name = str(office.account(account)["name"])
    (product,) = office.erin.read("product.product", [["code", "=", sku]], ["cost_price"])
    assert product["cost_price"] == Decimal(COST)
    found = simulated(office, name, sku, "--cost")
    assert (money(found["costs"]["cost"]), money(found["costs"]["margin"])) == (money("114.74"), money("85.26"))
    assert money(found["costs"]["rate"]) == money("0.4263")
    assert not tells(json.dumps(simulated(office, name, sku)))
    assert "85.26" in office.isthmus("order", "simulate", name, f"{sku}=2", "--cost").out

    _, login = office.new("boss")
    words = ("--role", "sales", "--role", "cost", "--generate", "--json")
    assert office.isthmus("user", "add", login, *words).code == 0
    sees, blind = (Shop.of(office, login, "see", "order", *more) for more in (("cost",), ()))
    body = {"customer": name, "lines": [{"sku": sku, "quantity": "2"}]}
    shown = sees.call("POST", "/order-simulations", body).json()
    assert money(shown["costs"]["margin"]) == money(shown["lines"][0]["costs"]["margin"]) == money("85.26")
    for answer in (
        blind.call("GET", f"/order-simulations/{shown['id']}"),
        Shop(office).call("POST", "/order-simulations", body),
    ):
        assert answer.json()["costs"] is None
        assert not tells(answer.text)
    # A new cost is the next answer's.
    office.erin.call("model.product.product.write", [office.erin.product(sku)["id"]], {"cost_price": Decimal(90)})
    assert money(simulated(office, name, sku, "--cost")["costs"]["margin"]) == 20
    office.erin.call("model.product.product.write", [office.erin.product(sku)["id"]], {"cost_price": Decimal(0)})
    assert simulated(office, name, sku, "--cost")["costs"] is None, "nobody has said what it costs"


def test_a_thin_margin_is_asked_about_and_told_to_nobody_else(office: Office) -> None:
    sku = office.product("THIN", "100", 50, cost=COST)
    account, _ = office.customer("Thin")
    name = str(office.account(account)["name"])

    def offered(discount: str) -> str:
        made = office.isthmus(
            "quote", "make", f"{sku}=2", "--customer", name, "--discount", discount, "--by", SALES, "--json"
        )
        assert made.code == 0, made
        number = str(made.json["fields"]["number"])
        assert office.isthmus("quote", "send", number, "--json").code == 0
        return number

    def state(number: str) -> str:
        return str(office.isthmus("quote", "show", number, "--json").json["quote"]["fields"]["state"])

    good, thin = offered("5"), offered("20")
    see(lambda: state(good) == "sent")
    see(lambda: state(thin) == "approving")
    (asked,) = see(lambda: [one for one in office.isthmus("approve", "list", "--json").json if one["key"] == thin])
    assert "margin" not in asked["facts"]
    assert "margin" not in office.isthmus("approve", "show", asked["id"]).out
    # (160 - 114.74) / 160
    assert "margin: 28.29 %" in office.isthmus("approve", "show", asked["id"], "--cost").out
    assert office.isthmus("approve", "decide", asked["id"], "approve", "--by", BOSS).code == 0
    see(lambda: state(thin) == "sent")
    done = office.isthmus("quote", "accept", thin, "--by", "bo", "--wait", "60", "--json")
    assert (done.code, done.json["state"]) == (0, "ordered")
    assert not tells(done.out)
    notices = office.rows("select milestone, context from notice where key in (%s, %s)", thin, asked["id"])
    assert {one["milestone"] for one in notices} >= {"quote_sent", "approval_needed", "request_approved"}
    for one in notices:
        assert not tells(str(one["context"])), one["milestone"]
        assert "margin" not in str(one["context"]), one["milestone"]
    steps = office.rows("select value from process_history")
    assert not any(tells(str(one["value"])) for one in steps), "what a process did is for more eyes than that"
    written = office.rows("select changes from effect where system = 'crm'")
    assert not any(tells(str(one["changes"])) for one in written)
    in_crm = [one for one in office.carl.products() if one["sku"] == sku]
    assert in_crm
    assert not tells(json.dumps(in_crm))
