"""From what happened to an item to a notice for its customer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from isthmus.app.telling import TOPICS, CustomerNotices
from isthmus.desk.notices import MILESTONES, Notice, NoticeState
from isthmus.mail.compose import render
from isthmus.store import NoticeOutbox, PostgresStore
from tests.store.examples import an_item, save

NOW = datetime(2031, 5, 6, 7, 0, tzinfo=UTC)

CUSTOMER = {"name": "上海阀门有限公司", "email": "Buyer@acme.example", "language": "zh_CN"}
ORDER = {
    "number": "SO7",
    "reference": "PO 1",
    "customer": "c1",
    "total": {"amount": "1190.5", "currency": "EUR"},
}


async def told(
    store: PostgresStore,
    topic: str = "order.confirmed",
    *,
    customer: Mapping[str, Any] = CUSTOMER,
    order: Mapping[str, Any] = ORDER,
    detail: Mapping[str, Any] | None = None,
    tokens: tuple[str, ...] = ("p1/end",),
) -> list[Notice]:
    items = [
        an_item("c1", fields=customer),
        an_item("c2", fields={}, alias_of="c1"),
        an_item("o1", entity="SalesOrder", fields=order),
    ]
    await save(store, items=items)
    notices = CustomerNotices(store, now=lambda: NOW)
    for token in tokens:
        await notices.tell(topic, "o1", detail or {}, token=token)
    return await NoticeOutbox(store).notices(None, None, 10)


async def test_the_customer_is_told_in_his_language_once(store: PostgresStore) -> None:
    [notice] = await told(store, tokens=("p1/end", "p1/end"))
    assert (notice.recipient, notice.language, notice.state) == ("buyer@acme.example", "zh", NoticeState.QUEUED)
    assert (notice.milestone, notice.document, notice.key) == ("order_confirmed", "SalesOrder", "o1")
    text = render(notice, notice.language)
    assert text.subject == "订单 SO7：已确认"
    assert ("合计", "1,190.50 EUR") in text.facts


async def test_another_step_is_another_notice(store: PostgresStore) -> None:
    assert len(await told(store, "delivery.shipped", tokens=("p1/one", "p1/two"))) == 2


async def test_a_merged_customer_is_the_one_it_was_merged_into(store: PostgresStore) -> None:
    [notice] = await told(store, order={**ORDER, "customer": "c2"})
    assert notice.recipient == "buyer@acme.example"


async def test_what_has_moved_is_said(store: PostgresStore) -> None:
    moved = [{"sku": "V50", "what": "price", "before": "10.00", "now": "12.00"}]
    [notice] = await told(store, "order.changed", order={"customer": "c1"}, detail={"differences": moved})
    text = render(notice, "en")
    assert text.facts[-1] == ("V50 price", "10.00 → 12.00")
    assert "o1" in text.subject, "an order without a number has its id"


@pytest.mark.parametrize(
    ("topic", "customer", "order"),
    [
        ("order.refused", CUSTOMER, ORDER),
        ("order.confirmed", {"name": "no address"}, ORDER),
        ("order.confirmed", CUSTOMER, {"number": "SO7"}),
        ("order.confirmed", CUSTOMER, {"customer": "c9"}),
    ],
)
async def test_nobody_to_tell(
    store: PostgresStore, topic: str, customer: Mapping[str, Any], order: Mapping[str, Any]
) -> None:
    assert await told(store, topic, customer=customer, order=order) == []


async def test_an_item_that_is_not_there_tells_nobody(store: PostgresStore) -> None:
    await CustomerNotices(store).tell("order.confirmed", "o9", {}, token="t")
    assert await NoticeOutbox(store).notices(None, None, 10) == []


def test_every_topic_has_a_text() -> None:
    assert set(TOPICS.values()) <= set(MILESTONES)
