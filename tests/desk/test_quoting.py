"""Quotes: what is offered, conceded and held; and their process, whatever happens to a step."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from isthmus.app.quote_answers import accept_quote, reject_quote
from isthmus.app.quoting import make_quote, request_quote, revise_quote, send_quote, show_quote
from isthmus.desk.ordering import Asked, AskedLine, LineTruth, Truth
from isthmus.desk.processes.quote import ANSWER, SEND, quote
from isthmus.desk.quoting import WantedLine, agreed, conceded, held, holds_until, offered
from isthmus.errors import NeedsPerson, Unavailable
from isthmus.model.state import Cause
from isthmus.process import Process
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore
from isthmus.testing import run_every_step_twice
from tests.desk.hub import CHIEF, NOW, Erp, PlayedHub, rules_of

COUNT = itertools.count(1)
SARA = "sara@acme.example"


def truth(*prices: str, own: str | None = None) -> Truth:
    lines = tuple(
        LineTruth(
            sku=f"P{at}", quantity=Decimal(1), unit="Unit", list_price=Decimal(100), unit_price=Decimal(price),
            discount_rate=Decimal(0), amount=Decimal(price), on_hand=None, date=None,
            own_price=None if own is None else Decimal(own),
        )
        for at, price in enumerate(prices)
    )  # fmt: skip
    zero = Decimal(0)
    return Truth(currency="EUR", lines=lines, untaxed=zero, tax=zero, total=zero, discount=zero, credit=None)


def test_what_is_offered_is_the_erps_price_less_the_discount_where_no_price_is_named() -> None:
    asked = Asked(
        customer="c",
        lines=(
            AskedLine(product="a", sku="P0", quantity=Decimal(1)),
            AskedLine(product="b", sku="P1", quantity=Decimal(1), unit_price=Decimal(7)),
        ),
    )
    own = truth("80", "9")
    wanted = offered(asked, own, Decimal("0.1"))
    assert [line.unit_price for line in wanted.lines] == [Decimal("72.0000"), Decimal(7)]
    assert agreed(wanted, own) is None
    same = offered(msgspec.structs.replace(asked, lines=asked.lines[:1]), truth("80"), Decimal(0))
    said = agreed(same, truth("80"))
    assert said is not None
    assert (said.lines[0].own_price, conceded(said)) == (80, 0)


def test_what_was_conceded_is_that_of_the_position_that_got_most() -> None:
    assert conceded(truth("72", "40", own="80")) == Decimal("0.5")
    assert conceded(truth("90", own="80")) == 0
    assert conceded(truth("0", own="0")) == 0


def test_the_erps_own_price_that_moved_is_told_and_changes_nothing() -> None:
    (found,) = held(truth("72", own="80"), truth("72", own="90"))
    assert (found.what, found.before, found.now) == ("own price", "80", "90")
    assert held(truth("72", own="80"), truth("72", own="80")) == ()


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2026-11-03", datetime(2026, 11, 3, 23, 59, 59, tzinfo=UTC)),
        ("2026-11-03T10:00", datetime(2026, 11, 3, 10, tzinfo=UTC)),
        (None, datetime(2026, 12, 3, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_day_holds_to_its_end(text: str | None, until: datetime) -> None:
    assert holds_until(text, NOW) == until


@pytest.mark.parametrize("text", ["2026-11-02", "soon", "2026-13-45", "20261103T"])
def test_what_is_over_or_no_day_is_refused(text: str) -> None:
    with pytest.raises(NeedsPerson):
        holds_until(text, NOW)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


class Played:
    """A hub with a customer and a product, and quotes whose processes go on when they are told to."""

    def __init__(self, store: PostgresStore, *rules: str) -> None:
        self.store, self.erp, self.clock = store, Erp(), Clock()
        self.hub = PlayedHub(store, self.erp, rules_of(*rules), self.clock)

    async def prepare(self) -> None:
        await self.hub.make("Product", "pump", sku="PUMP")
        await self.hub.make("Customer", "kiel", name="Kiel", email="bo@kiel.example")

    async def turn(self, number: str) -> None:
        found = (await show_quote(self.hub, number)).process
        assert found is not None
        await take_turn(self.store, {"quote": quote}, found.id, clock=self.clock, jitter=lambda: 0.0, hub=self.hub)

    async def made(self, quantity: int = 2, **more: Any) -> str:
        lines = [WantedLine(sku="PUMP", quantity=Decimal(quantity))]
        made = await make_quote(self.hub, lines, customer="Kiel", by=SARA, **more)
        return str(made.fields["number"])

    async def sent(self, quantity: int = 2, **more: Any) -> str:
        number = await self.made(quantity, **more)
        await send_quote(self.hub, number, by=SARA)
        await self.turn(number)
        return number

    async def fields(self, number: str) -> Mapping[str, Any]:
        return (await show_quote(self.hub, number)).quote.fields


async def test_a_quote_is_accepted_once_and_its_order_has_its_price(store: PostgresStore) -> None:
    played = Played(store)
    await played.prepare()
    number = await played.sent(2, discount=Decimal("0.1"))
    assert (await played.fields(number))["state"] == "sent"
    done = await accept_quote(played.hub, number, by="bo", patience=0)
    again = await accept_quote(played.hub, number, by="bo", patience=0)
    assert (done.state, again.order) == ("kept", done.order)
    orders = await played.hub.find("SalesOrder", "customer", "kiel")
    assert [Decimal(one["agreed_price"]) for order in orders for one in order.fields["ordered"]] == [9]
    await played.turn(number)
    view = await show_quote(played.hub, number)
    assert (view.quote.fields["state"], view.process and view.process.result) == ("accepted", "accepted")
    with pytest.raises(NeedsPerson):
        await reject_quote(played.hub, number, by="bo")
    with pytest.raises(NeedsPerson):
        await revise_quote(played.hub, number, by=SARA)


async def test_a_deal_won_while_its_quote_was_open_is_one_order_and_what_differs_is_shown_first(
    store: PostgresStore,
) -> None:
    played = Played(store)
    await played.prepare()
    deal = await played.hub.make("Opportunity", "deal", name="Pumps", number="D7", customer="kiel")
    number = await played.sent(2, discount=Decimal("0.1"), opportunity=deal)
    # Somebody wins the deal in the CRM: the engine makes its order, and the ERP has told nothing yet.
    order = await played.hub.make("SalesOrder", "won", customer="kiel", deal="D7", confirmed=True)
    with pytest.raises(NeedsPerson, match="is making its order"):
        await accept_quote(played.hub, number, by="bo", patience=0)
    async with store.transaction() as tx:
        line = {"product": "pump", "quantity": "2", "unit": "Unit", "unit_price": "10", "amount": "20"}
        total = {"amount": "20", "currency": "EUR"}
        fields = {"lines": [line], "total": total, "net_total": total, "number": "SO7", "state": "processing"}
        await played.hub.edits(tx, Cause("system", "erp"), "SalesOrder").change(order, fields)

    shown = await accept_quote(played.hub, number, by="bo", patience=0)
    assert (shown.state, shown.number) == ("moved", "SO7")
    assert [(one.what, one.now) for one in shown.differences] == [("price", "10"), ("total", "20")]
    assert (await played.fields(number))["state"] == "sent", "nobody has accepted that"
    done = await accept_quote(played.hub, number, by="bo", seen=shown.simulation.id, patience=0)
    again = await accept_quote(played.hub, number, by="bo", patience=0)
    assert (done.state, done.order, again.order) == ("ordered", order, order)
    assert len(await played.hub.find("SalesOrder", "customer", "kiel")) == 1
    await played.turn(number)
    assert (await played.fields(number))["state"] == "accepted"


async def test_a_deal_that_was_won_at_the_quotes_terms_asks_nobody_again(store: PostgresStore) -> None:
    played = Played(store)
    await played.prepare()
    deal = await played.hub.make("Opportunity", "deal", name="Pumps", number="D8", customer="kiel")
    number = await played.sent(2, opportunity=deal)
    total = (await played.fields(number))["total"]
    line = {"product": "pump", "quantity": "2", "unit": "Unit", "unit_price": "10", "amount": "20"}
    order = await played.hub.make(
        "SalesOrder", "won", customer="kiel", deal="D8", confirmed=True, lines=[line], total=total, number="SO8",
        state="processing",
    )  # fmt: skip
    done = await accept_quote(played.hub, number, by="bo", patience=0)
    assert (done.state, done.order, done.differences) == ("ordered", order, ())


async def test_a_quote_that_does_not_hold_any_more_is_refused_before_and_after_its_process_knows(
    store: PostgresStore,
) -> None:
    played = Played(store)
    await played.prepare()
    number = await played.sent(valid_until="2026-11-03")
    played.clock.at += timedelta(days=1)
    with pytest.raises(NeedsPerson, match="held until"):
        await accept_quote(played.hub, number, by="bo", patience=0)
    await played.turn(number)
    assert (await played.fields(number))["state"] == "expired"
    with pytest.raises(NeedsPerson, match="held until"):
        await accept_quote(played.hub, number, by="bo", patience=0)
    second = (await revise_quote(played.hub, number, by=SARA)).fields
    assert (second["number"], second["replaces"], second["state"]) == (f"{number}.2", number, "draft")


async def test_an_acceptance_in_the_moment_in_which_it_expires_stands(store: PostgresStore) -> None:
    played = Played(store)
    await played.prepare()
    number = await played.sent(valid_until="2026-11-03")
    await accept_quote(played.hub, number, by="bo", patience=0)
    # The process wakes by its deadline and finds the acceptance.
    played.clock.at += timedelta(days=1)
    await played.turn(number)
    assert (await played.fields(number))["state"] == "accepted"


async def test_a_revision_keeps_what_was_conceded_and_what_was_replaced_stays_readable(store: PostgresStore) -> None:
    played = Played(store)
    await played.prepare()
    first = await played.sent(2, discount=Decimal("0.1"))
    second = str((await revise_quote(played.hub, first, by=SARA)).fields["number"])
    assert Decimal((await played.fields(second))["lines"][0]["unit_price"]) == 9
    view = await show_quote(played.hub, first)
    assert (view.quote.fields["state"], view.quote.fields["replaced_by"]) == ("replaced", second)
    assert list(view.versions) == [first, second]
    with pytest.raises(NeedsPerson, match=f"replaced by {second}"):
        await accept_quote(played.hub, first, by="bo", patience=0)
    with pytest.raises(NeedsPerson, match="draft"):
        await accept_quote(played.hub, second, by="bo", patience=0)


async def test_what_the_credit_does_not_allow_is_not_ordered(store: PostgresStore) -> None:
    played = Played(store)
    await played.prepare()
    number = await played.sent(8)
    played.erp.credit_used = Decimal(50)
    moved = await accept_quote(played.hub, number, by="bo", patience=0)
    assert (moved.state, [one.what for one in moved.differences]) == ("moved", ["credit"])
    refused = await accept_quote(played.hub, number, by="bo", seen=moved.simulation.id, patience=0)
    assert (refused.state, "130" in refused.reason) == ("refused", True)
    assert await played.hub.find("SalesOrder", "customer", "kiel") == []


async def test_a_request_is_the_quote_that_is_made_of_it(store: PostgresStore) -> None:
    played = Played(store)
    await played.prepare()
    lines = [WantedLine(sku="PUMP", quantity=Decimal(3))]
    with pytest.raises(NeedsPerson):
        await request_quote(played.hub, lines, prospect="New", by="web")
    asked = await request_quote(played.hub, lines, prospect="New", email="n@new.example", by="web", key="k")
    assert (await request_quote(played.hub, lines, prospect="New", email="n@new.example", by="web", key="k")) == asked
    number = str(asked.fields["number"])
    with pytest.raises(NeedsPerson, match="which customer"):
        await make_quote(played.hub, request=number, by=SARA)
    made = await make_quote(played.hub, request=number, customer="Kiel", by=SARA)
    assert (made.id, made.fields["state"], made.fields["email"]) == (asked.id, "draft", "n@new.example")
    with pytest.raises(NeedsPerson, match="draft"):
        await make_quote(played.hub, request=number, customer="Kiel", by=SARA)
    assert (await reject_quote(played.hub, number, by=SARA)).fields["state"] == "withdrawn"
    assert (await reject_quote(played.hub, number, by=SARA)).fields["state"] == "withdrawn"


class QuoteStage:
    """One draft. ``says``: the chief's answer; ``then``: the customer's, None for nobody's."""

    definition = quote

    def __init__(self, store: PostgresStore, *, says: str = "approved", then: str | None = "accepted") -> None:
        self.played = Played(store, "Quote")
        self.hub = self.played.hub
        self._says, self._then = says, then
        self.id = f"quote-{next(COUNT)}"
        self.given = {"quote": self.id, "requested": False}

    async def prepare(self) -> None:
        await self.played.prepare()
        price = {"amount": "18", "currency": "EUR"}
        await self.hub.make(
            "Quote", self.id, number=f"Q-{self.id}", customer="kiel", salesperson=SARA, state="draft", total=price,
            conceded="0.1", valid_until=NOW + timedelta(days=1), process="p",
            lines=[{"id": "1", "product": "pump", "quantity": 2, "unit": "Unit", "unit_price": 9, "amount": 18}],
        )  # fmt: skip

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        assert waiting.question
        if waiting.step == SEND:
            return {"value": "send", "by": SARA}
        if waiting.step.startswith("approval "):
            return {"value": self._says, "by": CHIEF}
        assert waiting.step == ANSWER
        if self._then is None:
            self.played.clock.at = NOW + timedelta(days=2)
            return None
        return {"value": self._then, "by": "bo"}

    async def effects(self) -> Any:
        fields = (await self.hub.items([self.id]))[self.id].fields
        async with self.hub.transaction() as tx:
            told = await tx.notices.about("Quote", [f"Q-{self.id}"])
        return fields["state"], sorted((one.milestone, one.recipient) for one in told)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("given", "state", "told"),
    [
        ({"then": "rejected"}, "sent", ["quote_answered", "quote_sent"]),
        ({"then": None}, "expired", ["quote_answered", "quote_sent"]),
        ({"says": "refused"}, "refused", []),
    ],
)
async def test_a_quote_comes_to_the_same_end_whatever_happens_to_a_step(
    store: PostgresStore, given: dict[str, Any], state: str, told: list[str]
) -> None:
    made: list[QuoteStage] = []

    def make() -> QuoteStage:
        made.append(QuoteStage(store, **given))
        return made[-1]

    assert await run_every_step_twice(store, make) > 1
    found, notices = await made[0].effects()
    assert (found, [milestone for milestone, _ in notices]) == (state, told)


async def test_an_acceptance_while_the_erp_is_down_is_kept(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(store)
    await played.prepare()
    number = await played.sent(2)

    async def down(*_: Any, **__: Any) -> Any:
        raise Unavailable("The ERP is down.")

    monkeypatch.setattr(played.hub, "ask", down)
    done = await accept_quote(played.hub, number, by="bo", patience=0)
    (order,) = await played.hub.find("SalesOrder", "customer", "kiel")
    assert (done.state, order.fields["confirmed"]) == ("kept", False)
