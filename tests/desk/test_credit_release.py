"""Orders over the credit limit: nobody but the project's rules lets one pass, and the customer hears no more of it than
that it is being checked."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from isthmus.app.ordering import Placed, answer, place, simulate
from isthmus.app.quote_answers import accept_quote
from isthmus.app.quoting import make_quote, send_quote, show_quote
from isthmus.app.stopping import stop
from isthmus.desk.approval_rules import ApprovalRules, Conditions, Range, Rule, Seat, Stage
from isthmus.desk.approval_state import ApprovalRequest, Choice, RequestState
from isthmus.desk.approvals import decide
from isthmus.desk.ordering import Asked, AskedLine, Credit, LineTruth, Simulation, Truth
from isthmus.desk.processes.approval import approval_process
from isthmus.desk.processes.order import order
from isthmus.desk.processes.quote import quote
from isthmus.desk.quoting import WantedLine
from isthmus.errors import NeedsPerson, NotEntitled, Unavailable
from isthmus.model.state import Cause, Item, Link, Problem
from isthmus.process import Process, ProcessState
from isthmus.process.turn import take_turn
from isthmus.store import ApprovalReads, NoticeOutbox, PostgresStore
from isthmus.sync.world import World
from isthmus.testing import run_every_step_twice
from tests.desk.hub import CHIEF, NOW, Erp, PlayedHub

BO, WANDA, BOSS = "bo@kiel.example", "wanda@acme.example", "boss@acme.example"
CHIEFS = Stage(name="chief", seats=(Seat(CHIEF, (CHIEF,)),), within=86400.0)
RULES = ApprovalRules(
    currency="EUR",
    rules=(
        Rule(name="a little", document="SalesOrder", when=Conditions(credit=Range(below=Decimal(20)))),
        Rule(
            name="much",
            document="SalesOrder",
            when=Conditions(credit=Range(at_least=Decimal(1000))),
            stages=(replace(CHIEFS, seats=(Seat(BOSS, (BOSS,)),)),),
        ),
        Rule(name="orders", document="SalesOrder", stages=(CHIEFS,)),
    ),
)


ZERO = Decimal(0)
LINE = LineTruth(
    sku="PUMP", quantity=Decimal(12), unit="Unit", list_price=Decimal(10), unit_price=Decimal(10), discount_rate=ZERO,
    amount=Decimal(120), on_hand=Decimal(10), date="2026-11-03",
)  # fmt: skip
TRUTH = Truth(
    currency="EUR", lines=(LINE,), untaxed=Decimal(120), tax=ZERO, total=Decimal(120), discount=ZERO,
    credit=Credit(limit=Decimal(100), used=ZERO, after=Decimal(120)),
)  # fmt: skip


class Told:
    """What processes tell the customer."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.reasons: list[str] = []
        self._tokens: set[str] = set()

    async def tell(self, topic: str, item: str, detail: Mapping[str, Any], *, token: str) -> None:
        if token not in self._tokens:
            self._tokens.add(token)
            self.topics.append(topic)
            if detail.get("reason"):
                self.reasons.append(detail["reason"])


class Hub(PlayedHub):
    """With notices, and an ERP that may have refused what the engine wrote."""

    notices: Any = None
    problem: Problem | None = None
    down = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.there: set[str] = set()

    async def links(self, items: Collection[str]) -> list[Link]:
        """The ERP has an order from the moment on at which it is to confirm it."""
        known = await super().items(items)
        self.there |= {id for id, item in known.items() if item.entity != "SalesOrder" or item.fields.get("confirmed")}
        found = [link for link in await super().links(items) if link.item in self.there]
        return [replace(link, problem=self.problem) for link in found]

    confirms = cancels = False

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        return {id: replace(item, fields=self._shown(item)) for id, item in (await super().items(ids)).items()}

    def _shown(self, item: Item) -> Mapping[str, Any]:
        fields = item.fields
        if self.confirms and fields.get("confirmed"):
            return {**fields, "state": "processing", "number": "SO7"}
        if self.cancels and fields.get("cancelled") and item.id in self.there:
            return {**fields, "state": "cancelled", "number": "SO7"}
        return fields

    async def ask(self, system: str, operation: str, given: Any, *, token: str = "") -> Any:
        if self.down:
            raise Unavailable("down")
        return await super().ask(system, operation, given, token=token)


class Shop:
    """The limit is 100, a pump costs 10."""

    def __init__(self, store: PostgresStore, rules: ApprovalRules | None = RULES) -> None:
        self.store, self.now = store, NOW
        self.hub = Hub(store, Erp(), rules, lambda: self.now)
        self.hub.notices = self.told = Told()
        self.approvals = approval_process(lambda: self.now)

    async def prepare(self) -> None:
        await self.hub.make("Product", "pump", sku="PUMP")
        await self.hub.make("Customer", "kiel", name="Kiel", email="bo@kiel.example")

    async def placed(self, quantity: int, by: str = BO, role: str = "customer") -> Placed:
        found = await simulate(self.hub, "Kiel", [("PUMP", Decimal(quantity))], reference="PO 7")
        return await place(self.hub, found.id, by=by, role=role, patience=0)

    async def again(self, before: Placed) -> Placed:
        return await place(self.hub, before.simulation.id, by=BO, patience=0)

    async def turn(self, id: str | None) -> Process:
        assert id is not None
        definitions = {"order": order, "quote": quote, self.approvals.name: self.approvals}
        await take_turn(
            self.store, definitions, id, clock=lambda: self.now, jitter=lambda: 0.0, hub=self.hub
        )  # fmt: skip
        async with self.store.transaction() as tx:
            found = await tx.processes.load(id)
        assert found is not None
        return found

    async def asked(self) -> list[ApprovalRequest]:
        found = await ApprovalReads(self.store).requests(None, 50)
        for one in found:
            await self.turn(one.process)
        return await ApprovalReads(self.store).requests(None, 50)

    async def says(self, id: str, choice: Choice, by: str = CHIEF, comment: str = "") -> None:
        await self.asked()
        async with self.store.transaction() as tx:
            await decide(tx, id, by=by, choice=choice, via="cli", comment=comment, now=self.now)
        await self.turn(f"approval/{id}")

    async def fields(self, id: str | None) -> Mapping[str, Any]:
        assert id is not None
        return (await self.hub.items([id]))[id].fields

    async def erp(self, id: str, state: str) -> None:
        async with self.store.transaction() as tx:
            fields = {"state": state, "number": "SO7", "total": {"amount": "120", "currency": "EUR"}}
            await self.hub.edits(tx, Cause("system", "erp"), "SalesOrder").change(id, fields)


@pytest.fixture
async def shop(store: PostgresStore) -> Shop:
    made = Shop(store)
    await made.prepare()
    return made


async def test_an_order_over_the_limit_waits_until_somebody_lets_it_pass(shop: Shop) -> None:
    done = await shop.placed(12)
    assert (done.state, done.differences) == ("checking", ())
    assert "100" not in done.reason, "how much credit there is, is nothing that the answer tells"
    assert (await shop.fields(done.order))["confirmed"] is False
    waits = await shop.turn(done.order)
    assert (waits.state, waits.who) == (ProcessState.WAITING, f"see: isthmus approve show {done.order}/approval")
    assert "20 EUR over the credit limit" in waits.question
    assert shop.told.topics == ["order.checking"]
    (request,) = await shop.asked()
    assert (request.rule, request.facts["credit"], request.facts["role"]) == ("orders", "20", "customer")
    # However often it is ordered meanwhile, it is this one order.
    assert (await shop.again(done)).state == "checking"
    with pytest.raises(NeedsPerson, match="Nothing is asked"):
        await answer(shop.hub, str(done.order), yes=True, by=BO)

    await shop.says(request.id, Choice.APPROVE)
    assert (await shop.turn(done.order)).state is ProcessState.SLEEPING
    fields = await shop.fields(done.order)
    assert (fields["confirmed"], fields["credit_approved"], fields["state"]) == (True, True, None)
    await shop.erp(str(done.order), "processing")
    shop.now += timedelta(minutes=1)
    assert (await shop.turn(done.order)).result == "confirmed SO7"
    assert shop.told.topics == ["order.checking", "order.confirmed"]
    assert (await shop.again(done)).state == "ordered"
    assert len(await shop.hub.find("SalesOrder", "customer", "kiel")) == 1


async def test_the_customer_is_told_why_it_is_refused_and_not_by_whom(shop: Shop) -> None:
    done = await shop.placed(12)
    await shop.turn(done.order)
    await shop.says(f"{done.order}/approval", Choice.REFUSE, comment="Please pay invoice 17 first.")
    ended = await shop.turn(done.order)
    assert (ended.state, ended.result) == (ProcessState.DONE, "refused")
    fields = await shop.fields(done.order)
    assert (fields["state"], fields["confirmed"]) == ("refused", False)
    assert "credit_approved" not in fields
    assert fields["reason"] == "Please pay invoice 17 first."
    assert (shop.told.topics, shop.told.reasons) == (["order.checking", "order.declined"], [fields["reason"]])
    again = await shop.again(done)
    assert (again.state, again.reason, again.order) == ("refused", fields["reason"], done.order)
    # The approval itself tells those who decide, and no customer.
    queued = await NoticeOutbox(shop.store).notices(None, None, 50)
    assert {one.recipient for one in queued} == {CHIEF}


async def test_after_the_deadline_it_is_refused(shop: Shop) -> None:
    done = await shop.placed(12)
    await shop.turn(done.order)
    await shop.asked()
    shop.now += timedelta(days=2)
    await shop.turn(f"approval/{done.order}/approval")
    assert (await shop.turn(done.order)).result == "refused"
    assert (await shop.fields(done.order))["reason"] == "Nobody decided in time."


async def test_whoever_placed_it_does_not_let_it_pass(shop: Shop) -> None:
    done = await shop.placed(12, by=CHIEF, role="sales")
    await shop.turn(done.order)
    assert (await shop.fields(done.order))["state"] == "refused", "nobody else is there to decide"
    rest = await shop.placed(200, by=WANDA, role="sales")
    await shop.turn(rest.order)
    with pytest.raises(NotEntitled):
        await shop.says(f"{rest.order}/approval", Choice.APPROVE)
    await shop.says(f"{rest.order}/approval", Choice.APPROVE, by=BOSS)
    await shop.turn(rest.order)
    assert (await shop.fields(rest.order))["credit_approved"] is True
    # Staff hear what became of what they asked for.
    assert WANDA in {one.recipient for one in await NoticeOutbox(shop.store).notices(None, None, 50)}


async def test_rules_may_let_a_little_pass_unasked(shop: Shop) -> None:
    done = await shop.placed(11)
    assert (await shop.turn(done.order)).state is ProcessState.SLEEPING
    fields = await shop.fields(done.order)
    assert (fields["confirmed"], fields["credit_approved"]) == (True, True)


async def test_within_the_limit_nobody_is_asked_and_nothing_is_released(shop: Shop) -> None:
    done = await shop.placed(10)
    assert done.state == "kept"
    await shop.turn(done.order)
    fields = await shop.fields(done.order)
    assert fields["confirmed"] is True
    assert "credit_approved" not in fields
    assert await shop.asked() == []


@pytest.mark.parametrize("rules", [None, replace(RULES, rules=(replace(RULES.rules[2], document="Return"),))])
async def test_without_rules_for_orders_such_an_order_is_refused_at_once(
    store: PostgresStore, rules: ApprovalRules | None
) -> None:
    shop = Shop(store, rules)
    await shop.prepare()
    done = await shop.placed(12)
    assert (done.state, done.order) == ("refused", None)
    assert "100" in done.reason


async def test_credit_used_up_while_the_erp_was_down_is_asked_about(shop: Shop) -> None:
    found = await simulate(shop.hub, "Kiel", [("PUMP", Decimal(8))])
    shop.hub.down = True
    done = await place(shop.hub, found.id, by=BO, role="customer", patience=0)
    assert done.state == "kept"
    assert (await shop.turn(done.order)).state is ProcessState.RETRYING
    shop.hub.down, shop.hub.erp.credit_used = False, Decimal(90)
    shop.now += timedelta(minutes=5)
    await shop.turn(done.order)
    assert (await shop.again(done)).state == "checking"
    assert shop.told.topics == ["order.kept", "order.checking"]
    await shop.says(f"{done.order}/approval", Choice.APPROVE)
    await shop.turn(done.order)
    assert (await shop.fields(done.order))["credit_approved"] is True


async def test_what_was_let_pass_is_asked_about_again_when_it_has_become_more(shop: Shop) -> None:
    done = await shop.placed(12)
    await shop.turn(done.order)
    await shop.says(f"{done.order}/approval", Choice.APPROVE)
    shop.hub.erp.credit_used = Decimal(50)
    waits = await shop.turn(done.order)
    assert waits.state is ProcessState.WAITING
    assert "70 EUR over" in waits.question
    assert (await shop.fields(done.order))["confirmed"] is False
    await shop.says(f"{done.order}/approval 2", Choice.APPROVE)
    # Less than what was approved needs nobody.
    shop.hub.erp.credit_used = Decimal(30)
    assert (await shop.turn(done.order)).state is ProcessState.SLEEPING


async def test_the_erps_own_refusal_for_its_limit_is_asked_about_and_no_other_is(shop: Shop) -> None:
    done = await shop.placed(10)
    shop.hub.problem = Problem(code="rejected", message="The party is blocked.", at=shop.now)
    shop.now += timedelta(minutes=1)
    assert (await shop.turn(done.order)).state is ProcessState.SLEEPING
    shop.hub.problem = Problem(code="rejected", message="Tryton asks", field="credit_limit", at=shop.now)
    shop.now += timedelta(minutes=1)
    assert (await shop.turn(done.order)).state is ProcessState.SLEEPING
    fields = await shop.fields(done.order)
    assert fields["confirmed"] is True, "within the limit by now: the ERP tries again"
    assert "credit_approved" not in fields, "nobody has let it pass"
    shop.hub.erp.credit_used = Decimal(40)
    shop.now += timedelta(minutes=1)
    assert (await shop.turn(done.order)).state is ProcessState.WAITING
    await shop.says(f"{done.order}/approval by the ERP", Choice.APPROVE)
    assert (await shop.turn(done.order)).state is ProcessState.SLEEPING
    assert (await shop.fields(done.order))["credit_approved"] is True
    assert len(await shop.asked()) == 1


async def test_what_the_erp_has_as_a_quotation_is_cancelled_there_before_it_counts_as_refused(shop: Shop) -> None:
    done = await shop.placed(10)
    shop.hub.problem = Problem(code="rejected", message="Tryton asks", field="credit_limit", at=shop.now)
    shop.hub.erp.credit_used = Decimal(40)
    shop.now += timedelta(minutes=1)
    assert (await shop.turn(done.order)).state is ProcessState.WAITING
    await shop.says(f"{done.order}/approval by the ERP", Choice.REFUSE, comment="Please pay invoice 17 first.")
    waits = await shop.turn(done.order)
    assert (waits.state, waits.step.startswith("wait for the cancelling")) == (ProcessState.SLEEPING, True)
    fields = await shop.fields(done.order)
    assert (fields["state"], fields["confirmed"], fields["cancelled"]) == ("refused", False, True)
    # What the sync sees wakes it: no time passes.
    shop.hub.problem = None
    await shop.erp(str(done.order), "cancelled")
    ended = await shop.turn(done.order)
    assert (ended.state, ended.result) == (ProcessState.DONE, "refused")
    assert (await shop.fields(done.order))["state"] == "refused", "to whoever ordered it"
    assert shop.told.topics == ["order.checking", "order.declined"]
    async with shop.store.transaction() as tx:
        steps = [one.name for one in await tx.processes.history(str(done.order))]
    assert steps[-1] == "refused and cancelled"


async def test_an_order_whose_process_is_stopped_while_the_erps_refusal_is_weighed_is_withdrawn(shop: Shop) -> None:
    done = await shop.placed(10)
    shop.hub.problem = Problem(code="rejected", message="Tryton asks", field="credit_limit", at=shop.now)
    shop.hub.erp.credit_used = Decimal(40)
    shop.now += timedelta(minutes=1)
    assert (await shop.turn(done.order)).state is ProcessState.WAITING
    # The sync reads only now what became of it in the ERP.
    await shop.erp(str(done.order), "quotation")
    async with shop.store.transaction() as tx:
        await stop(tx, World({}), str(done.order), by=WANDA, now=shop.now)
    fields = await shop.fields(done.order)
    assert [fields[name] for name in ("state", "confirmed", "cancelled")] == ["withdrawn", False, True]
    assert WANDA not in fields["reason"], "the customer and the ERP read it"


async def test_an_order_that_somebody_in_the_erp_confirms_all_the_same_is_confirmed(shop: Shop) -> None:
    done = await shop.placed(10)
    shop.hub.problem = Problem(code="rejected", message="Tryton asks", field="credit_limit", at=shop.now)
    shop.hub.erp.credit_used = Decimal(40)
    shop.now += timedelta(minutes=1)
    await shop.turn(done.order)
    await shop.says(f"{done.order}/approval by the ERP", Choice.REFUSE)
    await shop.turn(done.order)
    await shop.erp(str(done.order), "processing")
    assert (await shop.turn(done.order)).result == "confirmed SO7"
    assert shop.told.topics[-1] == "order.confirmed"
    fields = await shop.fields(done.order)
    assert (fields["state"], fields["cancelled"], fields["reason"]) == ("processing", False, None), "nothing to undo"


async def test_an_order_that_somebody_in_the_erp_has_confirmed_is_not_refused_any_more(shop: Shop) -> None:
    done = await shop.placed(10)
    shop.hub.problem = Problem(code="rejected", message="Tryton asks", field="credit_limit", at=shop.now)
    shop.hub.erp.credit_used = Decimal(40)
    shop.now += timedelta(minutes=1)
    await shop.turn(done.order)
    await shop.erp(str(done.order), "processing")
    await shop.says(f"{done.order}/approval by the ERP", Choice.REFUSE)
    assert (await shop.turn(done.order)).result == "confirmed SO7"
    assert shop.told.topics == ["order.checking", "order.confirmed"], "nobody is told that it was refused"
    fields = await shop.fields(done.order)
    assert (fields["state"], fields["cancelled"]) == ("processing", False)


async def test_an_order_process_is_woken_by_what_the_sync_sees_and_not_by_time(shop: Shop) -> None:
    done = await shop.placed(10)
    first = await shop.turn(done.order)
    assert first.state is ProcessState.SLEEPING
    asleep = await shop.turn(done.order)
    assert asleep.step == first.step, "a turn without news changes nothing"
    await shop.erp(str(done.order), "processing")
    ended = await shop.turn(done.order)
    assert ended.result == "confirmed SO7"


async def test_an_order_of_an_accepted_quote_is_asked_about_like_any_other(shop: Shop) -> None:
    lines = [WantedLine(sku="PUMP", quantity=Decimal(8))]
    number = str((await make_quote(shop.hub, lines, customer="Kiel", by=WANDA)).fields["number"])
    await send_quote(shop.hub, number, by=WANDA)
    process = (await show_quote(shop.hub, number)).process
    assert process is not None
    await shop.turn(process.id)
    shop.hub.erp.credit_used = Decimal(60)
    done = await accept_quote(shop.hub, number, by=BO, role="customer", patience=0)
    assert (done.state, done.differences) == ("checking", ())
    await shop.turn(done.order)
    (request,) = await shop.asked()
    assert number in request.title
    await shop.says(request.id, Choice.APPROVE)
    await shop.turn(done.order)
    assert (await shop.fields(done.order))["confirmed"] is True
    assert (await accept_quote(shop.hub, number, by=BO, patience=0)).order == done.order


async def test_a_process_that_is_stopped_asks_nobody_any_more(shop: Shop) -> None:
    done = await shop.placed(12)
    await shop.turn(done.order)
    await shop.says(f"{done.order}/approval", Choice.APPROVE)
    shop.hub.erp.credit_used = Decimal(50)
    await shop.turn(done.order)
    await shop.asked()
    async with shop.store.transaction() as tx:
        await stop(tx, World({}), str(done.order), by=WANDA, now=shop.now)
    assert (await shop.fields(done.order))["state"] == "withdrawn"
    async with shop.store.transaction() as tx:
        found = await tx.processes.load(f"approval/{done.order}/approval 2")
    assert found is not None
    assert found.state is ProcessState.CANCELLED


COUNT = itertools.count(1)


class OrderStage:
    """One order, placed by ``by``; the chief says ``says``. The ERP confirms what it gets."""

    definition = order

    def __init__(self, store: PostgresStore, says: RequestState, *, in_erp: bool = False) -> None:
        self.shop, self._says, self._in_erp = Shop(store), says, in_erp
        self.hub = self.shop.hub
        self.id = f"order-{next(COUNT)}"
        self.given = {
            "order": self.id, "simulation": self.id, "verified": in_erp, "kept": False, "rules": True, "by": BO,
            "role": "customer",
        }  # fmt: skip
        self._looked = False

    async def prepare(self) -> None:
        await self.shop.prepare()
        line = AskedLine(product="pump", sku="PUMP", quantity=Decimal(12))
        asked = Asked(customer="kiel", lines=(line,))
        async with self.hub.transaction() as tx:
            await tx.simulations.add(
                Simulation(id=self.id, asked=asked, truth=TRUTH, made_at=NOW, expires_at=NOW + timedelta(minutes=15))
            )
        await self.hub.make("SalesOrder", self.id, customer="kiel", reference=self.id, confirmed=self._in_erp)
        if self._in_erp:
            self.hub.problem = Problem(code="rejected", message="Tryton asks", field="credit_limit", at=NOW)

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        assert waiting.step.startswith(f"approval {waiting.id}/approval"), waiting
        # The engine hands it to the ERP afterwards, as far as it may, and takes back what it may not.
        self.hub.confirms = self.hub.cancels = True
        self.hub.problem = None
        return {"value": str(self._says), "by": CHIEF}

    async def effects(self) -> Any:
        found = (await PlayedHub.items(self.hub, [self.id]))[self.id]
        names = ("state", "confirmed", "credit_approved", "cancelled", "reason")
        return found.version, {name: found.fields.get(name) for name in names}, self.shop.told.topics


@pytest.mark.timeout(600)
@pytest.mark.parametrize("in_erp", [False, True])
@pytest.mark.parametrize(
    ("says", "told"),
    [(RequestState.APPROVED, "order.confirmed"), (RequestState.REFUSED, "order.declined")],
)
async def test_it_comes_to_the_same_end_whatever_happens_to_a_step(
    store: PostgresStore, says: RequestState, told: str, in_erp: bool
) -> None:
    made: list[OrderStage] = []

    def make() -> OrderStage:
        made.append(OrderStage(store, says, in_erp=in_erp))
        return made[-1]

    assert await run_every_step_twice(store, make) > 12
    _, fields, topics = await made[0].effects()
    assert topics == ["order.checking", told]
    passes = says is RequestState.APPROVED
    assert (fields["confirmed"], fields["credit_approved"]) == (passes, True if passes else None)
    assert fields["cancelled"] is (None if passes else True)
    assert passes or fields["state"] == "refused"
