"""Orders over the credit limit on the real ERP, which refuses them unless somebody has let them pass (WEB-2)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.office import Office, Said, money, see

pytestmark = [pytest.mark.lab, pytest.mark.flow("WEB-2"), pytest.mark.timeout(600)]

MONEY, BOSS = "finance@acme.example", "boss@acme.example"
APPROVALS = f"""\
currency: EUR
rules:
  - rule: a_little_over
    document: SalesOrder
    when: {{credit: {{below: 50}}}}
    ask: nobody
  - rule: over_the_limit
    document: SalesOrder
    ask: [{{stage: credit, who: {MONEY}, within: 2d, escalate: {BOSS}}}]
"""
LIMIT = 1000


class Buyer:
    """A customer with a limit, who orders pieces at 100."""

    def __init__(self, office: Office, word: str) -> None:
        account, self.party = office.customer(word)
        self.office, self.name = office, str(office.account(account)["name"])
        self.sku = office.product("LIMIT", "100", 50)
        office.erin.patch_party(self.party, credit_limit_amount=Decimal(LIMIT))

    def simulated(self, quantity: int) -> dict[str, Any]:
        said = self.office.isthmus("order", "simulate", self.name, f"{self.sku}={quantity}", "--json")
        assert said.code == 0, said
        found: dict[str, Any] = said.json
        return found

    def placed(self, simulation: dict[str, Any], wait: str = "60") -> Said:
        return self.office.isthmus("order", "place", simulation["id"], "--by", "wanda", "--wait", wait, "--json")

    def uses_up(self, quantity: int) -> None:
        """Somebody in the ERP confirms an order of this customer."""
        self.office.erin.confirm_sale(self.office.erin.create_sale(self.party, {self.sku: quantity}))

    def process(self, order: str) -> dict[str, Any]:
        said = self.office.isthmus("process", "show", order, "--json")
        assert said.code == 0, said
        found: dict[str, Any] = said.json["process"]
        return found

    def asked(self, order: str) -> dict[str, Any]:
        """The question about this order, as soon as it stands."""

        def found() -> dict[str, Any] | None:
            listed = self.office.isthmus("approve", "list", "--json").json
            return next((one for one in listed if one["id"].startswith(f"{order}/")), None)

        return see(found)

    def decide(self, request: dict[str, Any], word: str, *more: str) -> None:
        said = self.office.isthmus("approve", "decide", request["id"], word, "--by", MONEY, *more)
        assert said.code == 0, said


@pytest.fixture(scope="module", autouse=True)
def rules(office: Office) -> Iterator[None]:
    """The rules of this company are in force."""
    with office.approving(APPROVALS):
        yield


def test_credit_used_up_before_the_order_is_decided_about_and_the_erp_has_it_once(office: Office) -> None:
    buyer = Buyer(office, "Release")
    found = buyer.simulated(8)
    assert money(found["truth"]["credit"]["after"]) == 800
    buyer.uses_up(5)
    said = buyer.placed(found)
    assert (said.code, said.json["state"]) == (4, "checking")
    order = said.json["order"]
    request = buyer.asked(order)
    assert (request["requester"], money(request["facts"]["credit"])) == ("wanda", 300)
    waits = buyer.process(order)
    assert (waits["state"], request["id"] in waits["who"]) == ("waiting", True)
    assert waits["since"]
    assert len(office.sales(buyer.party)) == 1, "the ERP hears nothing before it is decided"
    assert buyer.placed(found, "0").json["order"] == order
    buyer.decide(request, "approve")
    answer = see(lambda: (said := buyer.placed(found, "0").json)["state"] == "ordered" and said)
    (sale,) = [one for one in office.sales(buyer.party) if one["number"] == answer["number"]]
    see(lambda: office.erin.sale(int(sale["id"]))["state"] == "processing")
    assert len(office.sales(buyer.party)) == 2
    see(lambda: buyer.process(order)["result"] == f"confirmed {sale['number']}")
    # What has passed is in step: nothing is left to write or to ask.
    assert office.rows("select 1 from link where item = %s and (due_at is not null or not_held <> '{}')", order) == []
    # The next one is asked about again.
    assert buyer.placed(buyer.simulated(1), "0").json["state"] == "checking"


def test_a_refused_order_never_reaches_the_erp_and_a_little_over_needs_nobody(office: Office) -> None:
    buyer = Buyer(office, "Refuse")
    said = buyer.placed(buyer.simulated(13))
    order = said.json["order"]
    buyer.decide(buyer.asked(order), "refuse", "--comment", "Please pay what is due first.")
    see(lambda: buyer.process(order)["result"] == "refused")
    shown = office.isthmus("order", "show", order, "--json").json["order"]["fields"]
    assert (shown["state"], shown["reason"]) == ("refused", "Please pay what is due first.")
    (told,) = office.rows("select * from notice where key = %s and milestone = 'order_declined'", order)
    assert told["context"]["reason"] == "Please pay what is due first."
    assert MONEY not in str(told["context"])
    assert office.sales(buyer.party) == []
    office.erin.change_list_price(buyer.sku, "102")
    said = buyer.placed(buyer.simulated(10))
    assert (said.code, said.json["state"]) == (0, "ordered"), "20 over the limit"
    assert len(office.sales(buyer.party)) == 1


def test_credit_used_up_after_the_order_was_checked_is_the_erps_to_find_and_peoples_to_decide(office: Office) -> None:
    buyer = Buyer(office, "Race")
    passes, fails = buyer.simulated(4), buyer.simulated(5)
    office.stage.stop_hub()
    orders = [buyer.placed(found, "0").json["order"] for found in (passes, fails)]
    buyer.uses_up(9)
    office.stage.start_hub()
    requests = [buyer.asked(order) for order in orders]
    # The ERP has both, and has confirmed neither.
    assert {one["state"] for one in office.sales(buyer.party)} <= {"draft", "quotation", "processing"}
    assert sum(one["state"] == "processing" for one in office.sales(buyer.party)) == 1
    buyer.decide(requests[1], "refuse", "--comment", "Please pay invoice 17 first.")
    buyer.decide(requests[0], "approve")
    see(lambda: sum(one["state"] == "processing" for one in office.sales(buyer.party)) == 2)
    see(lambda: buyer.process(orders[0])["state"] == "done")
    assert buyer.process(orders[0])["result"].startswith("confirmed")
    see(lambda: buyer.process(orders[1])["result"] == "refused")
    assert len(office.sales(buyer.party)) == 3, "each is there once"
    office.settle()
    assert sum(one["state"] == "processing" for one in office.sales(buyer.party)) == 2
    # The refused one is no open quotation any more: it is cancelled there, and says why, there and here.
    (sale,) = [one for one in office.sales(buyer.party) if one["state"] == "cancelled"]
    (row,) = office.erin.read("sale.sale", [["id", "=", sale["id"]]], ["comment"])
    assert row["comment"] == "Cancelled by Isthmus: Please pay invoice 17 first."
    shown = office.isthmus("order", "show", orders[1], "--json").json["order"]["fields"]
    assert (shown["state"], shown["reason"]) == ("refused", "Please pay invoice 17 first.")
    steps = [one["name"] for one in office.isthmus("process", "show", orders[1], "--json").json["history"]]
    assert steps[-1] == "refused and cancelled"
    assert office.entries("failure", sale["id"]) == []


def test_a_hub_killed_after_the_refusal_cancels_the_quotation_once(office: Office) -> None:
    """Also one that is stopped by hand: what the ERP has of it must not wait there for ever."""
    buyer = Buyer(office, "Killed")
    found = [buyer.simulated(4), buyer.simulated(5)]
    office.stage.stop_hub()
    orders = [buyer.placed(one, "0").json["order"] for one in found]
    buyer.uses_up(10)
    office.stage.start_hub()
    requests = [buyer.asked(order) for order in orders]
    see(lambda: sum(one["state"] in ("draft", "quotation") for one in office.sales(buyer.party)) == 2)
    pid = office.stage.hub_pid()
    assert pid is not None
    buyer.decide(requests[0], "refuse")
    os.kill(pid, signal.SIGKILL)
    if office.stage._hub is not None:
        office.stage._hub.wait()
    assert office.isthmus("process", "cancel", orders[1], "--by", "wanda").code == 0
    office.stage.start_hub()
    see(lambda: sorted(one["state"] for one in office.sales(buyer.party)) == ["cancelled", "cancelled", "processing"])
    see(lambda: buyer.process(orders[0])["result"] == "refused")
    office.settle()
    assert len(office.sales(buyer.party)) == 3
    assert [buyer.placed(one, "0").json["state"] for one in found] == ["refused", "cancelled"]
    cancelled = [str(one["id"]) for one in office.sales(buyer.party) if one["state"] == "cancelled"]
    sql = "select key from effect where system = 'erp' and key = any(%s) and outcome = 'done' and changes ? 'cancelled'"
    assert sorted(row["key"] for row in office.rows(sql, cancelled)) == sorted(cancelled), "once each, by the hub"


def test_what_people_in_the_erp_confirm_while_it_is_refused_counts_as_confirmed(office: Office) -> None:
    """Nobody in the ERP waits for us: who confirms it there has let it pass, and the customer is told so."""
    buyer = Buyer(office, "Overruled")
    found = buyer.simulated(6)
    office.stage.stop_hub()
    order = buyer.placed(found, "0").json["order"]
    buyer.uses_up(10)
    office.stage.start_hub()
    request = buyer.asked(order)
    (sale,) = see(lambda: [one for one in office.sales(buyer.party) if one["state"] in ("draft", "quotation")])
    # Both happen before the hub hears of either.
    office.stage.stop_hub()
    buyer.decide(request, "refuse", "--comment", "Please pay invoice 17 first.")
    office.erin.confirm_sale(int(sale["id"]))
    office.stage.start_hub()
    see(lambda: buyer.process(order)["state"] == "done")
    assert buyer.process(order)["result"] == f"confirmed {sale['number']}"
    office.settle()
    assert office.erin.sale(int(sale["id"]))["state"] == "processing"
    assert len(office.sales(buyer.party)) == 2
    assert buyer.placed(found, "0").json["state"] == "ordered"
    shown = office.isthmus("order", "show", order, "--json").json["order"]["fields"]
    assert (shown["state"], shown["cancelled"], shown["reason"]) == ("processing", False, None)
    assert office.entries("failure", sale["id"]) == [], "that it could not be cancelled any more is nobody's work"
    assert office.entries("conflict", sale["id"]) == []
