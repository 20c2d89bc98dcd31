"""Hints: signature, age, and where they point."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isthmus.connector import Hint
from isthmus.connectors.tryton.hints import read_hint, sign
from isthmus.errors import Rejected, Unauthorized

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def hints(
    records: list[Any], *, more: bool = False, late: float = 0, secret: str | None = "s3cret", **over: Any
) -> Any:
    """What a hint about these records says, ``late`` seconds after it was signed."""
    body = json.dumps({"database": "erp", "records": records, "more": more} | over).encode()
    stamp = str(int(NOW.timestamp()))
    headers = {"x-isthmus-signature": f"t={stamp},v1={sign('s3cret', stamp, body)}"}
    return read_hint(headers, body, NOW + timedelta(seconds=late), secret=secret, database="erp")


def test_a_record_of_its_own_is_named() -> None:
    assert hints([["sale.sale", 7], ["sale.sale", 9]])[1] == Hint(resource="sale", keys=["7", "9"])


def test_a_part_points_at_the_feed_of_its_whole() -> None:
    assert hints([["party.address", 7], ["party.party", 3]]) == [Hint(resource="contact"), Hint(resource="party")]


def test_a_price_list_points_at_all_products() -> None:
    assert Hint(resource="product") in hints([["product.price_list.line", 7]])


def test_too_many_records_mean_everywhere() -> None:
    assert {hint.resource for hint in hints([], more=True)} == {
        *("party", "contact", "product", "price_list", "sale", "shipment", "invoice", "payment")
    }


def test_models_nobody_watches_say_nothing() -> None:
    assert hints([["res.user", 7]]) == []


@pytest.mark.parametrize("late", [301, -301, 86_400])
def test_an_old_or_future_hint_is_refused(late: float) -> None:
    with pytest.raises(Unauthorized, match="old"):
        hints([], late=late)


@pytest.mark.parametrize("late", [299, -299])
def test_clocks_may_differ_a_little(late: float) -> None:
    assert hints([], late=late) == []


def test_without_a_secret_no_hint_is_believed() -> None:
    with pytest.raises(Unauthorized, match="hint_secret"):
        hints([], secret=None)


def test_another_secret_or_database_is_refused() -> None:
    with pytest.raises(Unauthorized, match="wrong"):
        hints([], secret="other")
    with pytest.raises(Rejected, match="another database"):
        hints([], database="old")
