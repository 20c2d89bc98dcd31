"""Goods that come back and bills that are credited, as people of Tryton do it: the same cases for twin and lab."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Any

from isthmus.connector import Gone, Record
from isthmus.connectors.tryton import TrytonSystem


class Desk(ABC):
    """Somebody at Tryton who has sold goods: ``sale`` of twelve pieces, all sent and billed. Keys are text."""

    system: TrytonSystem
    sale: str
    invoice: str

    @abstractmethod
    def take_back(self, pieces: int, by: str) -> str:
        """A draft return shipment that names the ``line`` of the sale, the ``move`` or ``nothing``."""

    @abstractmethod
    def receive(self, shipment: str) -> None:
        """The goods are there."""

    @abstractmethod
    def cancel(self, shipment: str) -> None:
        """They are not."""

    @abstractmethod
    def return_sale(self, pieces: int) -> tuple[str, str]:
        """The wizard; then it is confirmed: its return shipment and its draft credit note."""

    @abstractmethod
    def credit(self, pieces: int | None) -> str:
        """The wizard: a draft credit note of some, or one of the whole that takes the invoice back at once."""

    @abstractmethod
    def post(self, invoice: str) -> None:
        """Post a draft."""

    @abstractmethod
    def throw_away(self, invoice: str) -> None:
        """Cancel a draft."""

    async def see(self, resource: str, key: str) -> dict[str, Any]:
        """The record's fields."""
        (found,) = await self.system.resources()[resource].fetch([key])
        assert isinstance(found, Record), found
        return dict(found.fields)

    async def line(self) -> list[Decimal]:
        """Of the sale: shipped, returned, invoiced, credited, open."""
        (line,) = (await self.see("sale", self.sale))["lines"]
        return [line[name] for name in ("shipped", "returned", "invoiced", "credited", "open")]


class ComingBackCases:
    """Derived for the twin and for the lab, which give a ``desk``."""

    async def test_goods_that_came_back_are_returned_and_not_sent_once_more(self, desk: Desk) -> None:
        assert await desk.line() == [12, 0, 12, 0, 0]
        draft = desk.take_back(2, "line")
        assert await desk.line() == [12, 0, 12, 0, 0], "nothing has arrived yet"
        shown = await desk.see("shipment_return", draft)
        assert (shown["sale"], shown["state"], shown["received"]) == (desk.sale, "draft", False)
        assert [line["quantity"] for line in shown["lines"]] == [-2]
        desk.receive(draft)
        shown = await desk.see("shipment_return", draft)
        assert (shown["received"], bool(shown["effective_date"])) == (True, True)
        assert await desk.line() == [12, 2, 12, 0, 0]
        desk.receive(other := desk.take_back(3, "move"))
        assert (await desk.see("shipment_return", other))["sale"] == desk.sale
        assert await desk.line() == [12, 5, 12, 0, 0]

    async def test_a_return_of_nothing_known_belongs_to_no_order(self, desk: Desk) -> None:
        desk.receive(back := desk.take_back(1, "nothing"))
        shown = await desk.see("shipment_return", back)
        assert (shown["sale"], shown["sales"], bool(shown["party"])) == (None, [], True)
        assert await desk.line() == [12, 0, 12, 0, 0]

    async def test_what_is_cancelled_counts_nothing(self, desk: Desk) -> None:
        desk.cancel(back := desk.take_back(2, "line"))
        assert (await desk.see("shipment_return", back))["state"] == "cancelled"
        note = desk.credit(3)
        desk.throw_away(note)
        assert (await desk.see("invoice", note))["payment_state"] == "cancelled"
        assert await desk.line() == [12, 0, 12, 0, 0]

    async def test_a_return_sale_counts_for_the_order_it_returns(self, desk: Desk) -> None:
        shipment, note = desk.return_sale(4)
        assert await desk.line() == [12, 0, 12, 0, 0]
        desk.receive(shipment)
        assert (await desk.see("shipment_return", shipment))["sales"] == [desk.sale]
        assert await desk.line() == [12, 4, 12, 0, 0]
        desk.post(note)
        shown = await desk.see("invoice", note)
        assert (shown["sale"], shown["credits"], shown["total_amount"] < 0) == (desk.sale, None, True)
        assert await desk.line() == [12, 4, 12, 4, 0]

    async def test_a_credit_note_counts_for_the_order_of_what_it_credits(self, desk: Desk) -> None:
        number = (await desk.see("invoice", desk.invoice))["number"]
        note = desk.credit(5)
        assert await desk.line() == [12, 0, 12, 0, 0], "a draft is none yet"
        desk.post(note)
        shown = await desk.see("invoice", note)
        assert (shown["sales"], shown["credits"], shown["payment_state"]) == ([desk.sale], number, "open")
        assert [line["quantity"] for line in shown["lines"]] == [-5]
        assert (shown["credit_note"], shown["credit_notes"], shown["credited_amount"]) == (True, None, None)
        first = await desk.see("invoice", desk.invoice)
        assert (first["credit_note"], first["credit_notes"]) == (None, shown["number"])
        assert first["credited_amount"] == -shown["total_amount"] > 0
        assert await desk.line() == [12, 0, 12, 5, 0]

    async def test_an_invoice_that_a_credit_note_took_back_was_billed_and_credited(self, desk: Desk) -> None:
        note = desk.credit(None)
        assert (await desk.see("invoice", desk.invoice))["payment_state"] == "credited"
        shown = await desk.see("invoice", note)
        assert (shown["sale"], shown["payment_state"]) == (desk.sale, "paid")
        assert await desk.line() == [12, 0, 12, 12, 0]

    async def test_all_of_it_shows_in_the_feeds(self, desk: Desk) -> None:
        feeds = {name: desk.system.resources()[name] for name in ("sale", "shipment_return", "invoice")}
        cursors: dict[str, Any] = {}

        async def told(name: str) -> set[str]:
            found: set[str] = set()
            while True:
                page = await feeds[name].changes(cursors.get(name))  # type: ignore[attr-defined]
                found |= {item.key for item in page.items if not isinstance(item, Gone)}
                moved, cursors[name] = page.cursor != cursors.get(name), page.cursor
                if not page.more or not moved:
                    return found

        for name in feeds:
            await told(name)
        back = desk.take_back(2, "line")
        assert back in await told("shipment_return")
        await told("sale")
        desk.receive(back)
        assert (back in await told("shipment_return"), desk.sale in await told("sale")) == (True, True)
        desk.post(note := desk.credit(5))
        assert {note, desk.invoice} <= await told("invoice")
        assert desk.sale in await told("sale")
        shipment, _ = desk.return_sale(1)
        await told("sale")
        desk.receive(shipment)
        assert (shipment in await told("shipment_return"), desk.sale in await told("sale")) == (True, True)
