"""Goods that come back and bills that are credited, on the twin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from isthmus.connector import Create, Record, Update
from isthmus.connectors.tryton import TRYTON, TrytonSystem
from isthmus.connectors.tryton.twin import TrytonTwin
from isthmus.connectors.tryton.twin_returns import Returns
from tests.connectors.tryton.coming_back_cases import ComingBackCases, Desk
from tests.connectors.tryton.contract_cases import configured


class TwinDesk(Desk):
    """At the twin."""

    def __init__(self, twin: TrytonTwin, system: TrytonSystem, party: int, sale: Record) -> None:
        self._twin, self.system, self._party, self.sale = twin, system, party, sale.key
        self._returns = Returns(twin.store, twin.business)
        (line,) = sale.fields["lines"]
        self._line, self._product = int(line["id"]), int(line["product"])
        self.invoice = sale.fields["invoices"][0]
        with twin.store.transaction({}):
            twin.business.ship(int(sale.fields["shipments"][0]))
            twin.business.press("account.invoice", "post", [int(self.invoice)])

    def take_back(self, pieces: int, by: str) -> str:
        (sent,) = self._twin.store.search("stock.move", [["origin", "=", f"sale.line,{self._line}"]], {})[:1]
        origin = {"line": f"sale.line,{self._line}", "move": f"stock.move,{sent['id']}", "nothing": None}[by]
        with self._twin.store.transaction({}):
            move = {"product": self._product, "quantity": pieces, "origin": origin}
            return str(self._returns.take_back(self._party, [move]))

    def receive(self, shipment: str) -> None:
        with self._twin.store.transaction({}):
            self._returns.end(int(shipment), "done")

    def cancel(self, shipment: str) -> None:
        with self._twin.store.transaction({}):
            self._returns.end(int(shipment), "cancelled")

    def return_sale(self, pieces: int) -> tuple[str, str]:
        with self._twin.store.transaction({}):
            made = self._returns.return_sale(int(self.sale), {self._product: pieces})
            shipment, note = self._returns.confirm(made)
        return str(shipment), str(note)

    def credit(self, pieces: int | None) -> str:
        keep = {} if pieces is None else {self._product: float(pieces)}
        with self._twin.store.transaction({}):
            return str(self._returns.credit(int(self.invoice), refund=pieces is None, keep=keep))

    def post(self, invoice: str) -> None:
        with self._twin.store.transaction({}):
            self._twin.business.press("account.invoice", "post", [int(invoice)])

    def throw_away(self, invoice: str) -> None:
        with self._twin.store.transaction({}):
            self._twin.store.write("account.invoice", [int(invoice)], {"state": "cancelled"})


class TestTwin(ComingBackCases):
    """With the outbox."""

    outbox = True

    @pytest.fixture
    async def desk(self) -> AsyncIterator[Desk]:
        async with TrytonTwin(outbox=self.outbox) as twin:
            config = configured(url=twin.url, database="erp", login="hub", password=twin.password, quote_orders=True)
            system = await TRYTON.open(config)
            yield TwinDesk(twin, system, *await sold(system))
            await system.close()


class TestTwinWithoutOutbox(TestTwin):
    """Changes come from change dates."""

    outbox = False


async def sold(system: TrytonSystem) -> tuple[int, Record]:
    """A customer and its confirmed sale of twelve bolts."""

    async def write(resource: str, one: Any) -> Record:
        (made,) = await system.resources()[resource].write([one])  # type: ignore[attr-defined]
        assert isinstance(made, Record), made
        return made

    party = await write("party", Create(token="d", fields={"name": "Dealer", "addresses": [{"city": "Köln"}]}))
    bolt = await write("product", Create(token="b", fields={"name": "Bolt", "list_price": Decimal(10)}))
    lines = [{"product": bolt.key, "quantity": Decimal(12)}]
    sale = await write("sale", Create(token="o", fields={"party": party.key, "lines": lines}))
    return int(party.key), await write("sale", Update(before=sale, fields={"confirmed": True}))
