"""A made-up ERP behind the real use cases, and programs that call the API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from httpx import AsyncClient, Response

from isthmus.app.bootstrap import Hub, clock, new_id
from isthmus.app.business import OpenBusiness
from isthmus.connector.services import Availability, Available, CreditStanding, OrderPriced, PricedLine
from isthmus.connector.support import Replies, Reply
from isthmus.desk.approval_rules import ApprovalRules
from isthmus.desk.repairing import RepairRules
from isthmus.errors import Rejected, Unavailable
from isthmus.model.state import Cause, Item, Link, LinkState
from isthmus.project import Project
from isthmus.store import PostgresStore
from isthmus.sync.editing import HubEdits
from isthmus.sync.world import World
from tests.desk.hub import REPAIRS

D = Decimal


class PretendBusiness(OpenBusiness):
    """Prices every product at ``price``, or as agreed while it ``takes_prices``; may be ``down``; each item has a
    record in it."""

    def __init__(self, project: Project, store: PostgresStore, world: World) -> None:
        engine: Any = SimpleNamespace(systems={})
        super().__init__(Hub(project=project, store=store, world=world, engine=engine, down={}))
        self.price, self.down, self.limit, self.refusal = D(100), False, D(1_000_000), ""
        self.takes_prices = True
        self.cost: D | None = D("61.37")
        self.asked = 0
        self.repairs: RepairRules | None = REPAIRS
        self.rules: ApprovalRules | None = None

    @property
    def approval_rules(self) -> ApprovalRules | None:
        """None until a test gives some."""
        return self.rules

    @property
    def repair_rules(self) -> RepairRules | None:
        """Some."""
        return self.repairs

    async def links(self, items: Collection[str]) -> list[Link]:
        """One in the ERP for each."""
        found = await super().links(items)
        missing = set(items) - {link.item for link in found}
        return found + [
            Link(id=f"l-{one}", flow="f", system="erp", resource="r", key=one, item=one, state=LinkState.LINKED)
            for one in sorted(missing)
            if not one.startswith("order-")
        ]

    def answering(self, operation: str, entity: str) -> str:
        """Always the same."""
        return "erp"

    async def ask(self, system: str, operation: str, given: Any, *, token: str = "") -> Any:
        """Priced, promised for a day, within the limit."""
        self.asked += 1
        if self.down:
            raise Unavailable("erp cannot be reached")
        if self.refusal:
            raise Rejected(self.refusal)
        if operation == "case_replies":
            return Replies(replies=(Reply(text="On Friday.", at="2026-11-20T10:00:00+00:00"),))
        if operation == "credit":
            return CreditStanding(currency="EUR", limit=self.limit, used=D(0))
        if operation == "available_to_promise":
            lines = [
                Availability(product=one.product, on_hand=D(9), forecast=D(9), date="2031-05-06") for one in given.lines
            ]
            return Available(lines=tuple(lines))
        rows = tuple(
            PricedLine(
                product=one.product, quantity=one.quantity, unit="Unit", list_price=self.price, unit_price=price,
                discount_rate=D(0), amount=price * one.quantity, own_price=self.price, cost_price=self.cost,
            )
            for one in given.lines
            for price in [self.price if one.unit_price is None or not self.takes_prices else one.unit_price]
        )  # fmt: skip
        total = sum((row.amount for row in rows), D(0))
        return OrderPriced(
            currency="EUR", lines=rows, untaxed=total, tax=D(0), total=total, discount=D(0), credit_amount=total
        )


async def made(store: PostgresStore, entity: str, fields: Mapping[str, Any], id: str | None = None) -> Item:
    """An item of the hub."""
    async with store.transaction() as tx:
        edits = HubEdits(tx, World({}), Cause("person", "test"), now=clock(), new_id=new_id)
        return await edits.create(entity, fields, id=id, alike=True)


async def documents_made(store: PostgresStore) -> None:
    """One document of each kind that stations and sales have, whose process is over."""
    over = {"process": "some/process"}
    await made(store, "OrganisationUnit", {"number": "C", "name": "North", "kind": "centre"}, "north")
    station = {"number": "S", "name": "Kiel", "kind": "station", "parent": "north", "customer": "kern", "place": "K"}
    await made(store, "OrganisationUnit", station, "kiel")
    lines = [{"id": "1", "product": "bearing", "quantity": "2"}]
    back = [{"id": "1", "product": "bearing", "announced": "2"}]
    await made(
        store,
        "Quote",
        {"number": "Q1", "original": "Q1", "version": 1, "customer": "kern", "state": "sent", "lines": lines, **over},
    )
    await made(
        store, "MaterialRequest", {"number": "MR1", "station": "kiel", "state": "refused", "lines": lines, **over}
    )
    await made(store, "Return", {"number": "RT1", "station": "kiel", "state": "announced", "lines": back, **over})
    await made(store, "RepairRecord", {"number": "RR1", "station": "kiel", "method": "overhaul"})
    await made(
        store,
        "LabourSettlement",
        {"number": "LS1", "centre": "north", "period": "2026-10", "currency": "EUR", "state": "draft", **over},
    )


class Program:
    """Calls the API with a token."""

    def __init__(self, client: AsyncClient, token: str) -> None:
        self.client, self.token = client, token

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """``headers`` with _ for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            given.setdefault("authorization", f"Bearer {self.token}")
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=given)

    async def get(self, path: str, **headers: str) -> Response:
        return await self.call("GET", path, None, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return await self.call("POST", path, body, **headers)
