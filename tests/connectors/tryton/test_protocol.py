"""Tryton's wire: values there and back, and every error as one of ours."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from isthmus.connector import Create, Record, Update
from isthmus.connectors.tryton import TRYTON, TrytonConfig
from isthmus.connectors.tryton.codec import date_of, decode, encode, quantity
from isthmus.connectors.tryton.refusals import Confirmation, refusal, status_error
from isthmus.connectors.tryton.twin import Refused, TrytonTwin
from isthmus.errors import (
    IsthmusError,
    Misconfigured,
    RateLimited,
    Rejected,
    Stale,
    Unauthorized,
    Unavailable,
    UnknownOutcome,
)

INSTANT = dt.datetime(2026, 2, 3, 4, 5, 6, 700, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "value",
    [Decimal("10.0500"), INSTANT, dt.date(2024, 2, 29), b"\x00\xff", {"a": [None, True, "ü", 7]}, -1],
    ids=str,
)
def test_values_survive_the_wire(value: Any) -> None:
    assert decode(encode({"v": value}))["v"] == value


def test_numbers_with_a_point_become_exact_decimals() -> None:
    assert decode(b'{"q": 0.1}')["q"] == Decimal("0.1")


def test_an_instant_elsewhere_is_sent_as_utc() -> None:
    elsewhere = INSTANT.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30)))
    assert encode(elsewhere) == encode(INSTANT)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"__class__": "Decimal", "decimal": "x"}', b'{"__class__": "date"}', b"\xff"]
)
def test_what_is_not_a_value_is_told(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode(body)


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "a lot", [1]], ids=str)
def test_quantity_is_a_finite_number(wrong: Any) -> None:
    with pytest.raises(ValueError):
        quantity(wrong)


def test_dates_are_read_from_text_and_nothing_stays_nothing() -> None:
    assert date_of("2026-02-03T10:00:00+00:00") == dt.date(2026, 2, 3)
    assert date_of("") is None
    assert date_of(None) is None


@pytest.mark.parametrize(
    ("error", "safe", "kind"),
    [
        (["UserError", ["The code must be unique.", "", None]], False, Rejected),
        (["UserError", ['You are not allowed to access "Party".', "", None]], False, Unauthorized),
        (["UserError", "just text"], True, Rejected),
        (["UserWarning", ["credit.7", "Over the limit", ""]], False, Confirmation),
        (["ConcurrencyException", "Records were modified in the meanwhile"], False, Stale),
        (["LoginException", "x"], True, Unauthorized),
        (["RateLimitException", ""], True, RateLimited),
        (["'nope'", ""], True, Misconfigured),
        (["division by zero", ""], True, Unavailable),
        (["division by zero", ""], False, Rejected),
        ("something else", False, Rejected),
        ([], False, Rejected),
    ],
)
def test_errors_in_answers_are_ours(error: Any, safe: bool, kind: type[IsthmusError]) -> None:
    assert type(refusal(error, safe=safe)) is kind


@pytest.mark.parametrize("safe", [True, False])
def test_what_has_answered_before_is_not_missing_but_still_loading(safe: bool) -> None:
    error = ["'party.party'", ""]
    assert type(refusal(error, safe=safe, known="party.party")) is Unavailable
    assert type(refusal(error, safe=safe, known="sale.sale")) is (Misconfigured if safe else Rejected)


@pytest.mark.parametrize(
    ("label", "field"), [("Customer Payment Term", "payment_term"), ("Sale Date", "sale_date"), ("Product", "lines")]
)
def test_a_refusal_names_our_field(label: str, field: str) -> None:
    found = refusal(["UserError", [f'A value is required for field "{label}" in "Sale".', "", None]], safe=False)
    assert isinstance(found, Rejected)
    assert found.field == field


@pytest.mark.parametrize(
    ("status", "body", "safe", "kind"),
    [
        (401, b"", False, Unauthorized),
        (403, b"", False, Unauthorized),
        (404, b"", True, Unavailable),
        (413, b"", False, Rejected),
        (422, b"", True, Misconfigured),
        (503, b"could not serialize access due to concurrent update", False, Unavailable),
        (503, b"server closed the connection unexpectedly", False, UnknownOutcome),
        (503, b"server closed the connection unexpectedly", True, Unavailable),
    ],
)
def test_statuses_are_ours(status: int, body: bytes, safe: bool, kind: type[IsthmusError]) -> None:
    assert type(status_error(status, {}, body, database="erp", safe=safe)) is kind


def config_of(twin: TrytonTwin, **more: Any) -> TrytonConfig:
    """A configuration for a twin."""
    return TrytonConfig(url=twin.url, database="erp", login="hub", password=twin.password, **more)


async def test_a_forgotten_session_is_renewed_once_and_nobody_notices() -> None:
    async with TrytonTwin() as twin:
        system = await TRYTON.open(config_of(twin))
        twin.forget_sessions()
        await system.resources()["party"].fetch(["1"])
        assert twin.calls.count("common.db.login") == 2
        await system.close()


async def test_an_unknown_database_is_named_with_those_there_are() -> None:
    async with TrytonTwin() as twin:
        config = TrytonConfig(url=twin.url, database="nope", login="hub", password=twin.password)
        with pytest.raises(Unauthorized, match=r"no database 'nope'.*erp"):
            await TRYTON.open(config)


async def test_tryton_stale_in_the_middle_of_a_write_is_stale_and_changes_nothing() -> None:
    async with TrytonTwin() as twin:
        system = await TRYTON.open(config_of(twin))
        party = system.resources()["party"]
        (made,) = await party.write([Create(token="a", fields={"name": "Ada"})])
        twin.trouble.append(Refused("ConcurrencyException", "Records were modified in the meanwhile"))
        (answer,) = await party.write([Update(before=made, fields={"name": "Eve"})])
        assert isinstance(answer, Stale)
        (now,) = await party.fetch([made.key])
        assert isinstance(now, Record)
        assert now.fields["name"] == "Ada"
        await system.close()


async def test_a_change_to_a_part_makes_the_whole_record_stale() -> None:
    async with TrytonTwin() as twin:
        system = await TRYTON.open(config_of(twin))
        party = system.resources()["party"]
        fields = {"name": "Ada", "addresses": [{"city": "Liège"}]}
        (made,) = await party.write([Create(token="a", fields=fields)])
        with twin.store.transaction({}):
            twin.store.write("party.address", [int(made.fields["addresses"][0]["id"])], {"city": "Namur"})
        (answer,) = await party.write([Update(before=made, fields={"name": "Eve"})])
        assert isinstance(answer, Stale)
        await system.close()


async def test_a_tryton_that_starts_is_waited_for_and_nothing_is_set_aside() -> None:
    async with TrytonTwin() as twin:
        system = await TRYTON.open(config_of(twin))
        party = system.resources()["party"]
        await party.fetch(["1"])
        twin.trouble.append(Refused("'party.party'", ""))
        (answer,) = await party.write([Create(token="a", fields={"name": "Ada"})])
        assert isinstance(answer, Unavailable)
        (made,) = await party.write([Create(token="a", fields={"name": "Ada"})])
        assert isinstance(made, Record)
        await system.close()
