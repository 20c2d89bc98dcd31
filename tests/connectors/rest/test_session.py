"""Proof of identity, errors in our words, values and signatures of the rest connector."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from isthmus.connector import Record, Response, Update, Writable
from isthmus.connectors.rest.connector import connector
from isthmus.connectors.rest.definition import Errors, Field, ResourceDef, Signature
from isthmus.connectors.rest.hook import signature_headers
from isthmus.connectors.rest.session import RestConfig, refusal
from isthmus.connectors.rest.values import Shape, at, encode, phrase, put, time_text
from isthmus.errors import RateLimited, Rejected, Stale, Unauthorized, Unavailable
from tests.connectors.rest.api_twin import SECRET, Plain
from tests.connectors.rest.definitions import PLAIN
from tests.connectors.rest.test_paging import serving
from tests.connectors.rest.test_rest_contract import parsed


async def test_session_that_ran_out_is_renewed_once_and_the_call_goes_through() -> None:
    twin = Plain()
    async with twin.running() as url:
        config = RestConfig(url=url, username="hub", password=SECRET, definition=parsed(PLAIN))
        system = await connector.open(config)
        contacts = system.resources()["contacts"]
        await contacts.scan(None)
        twin.tokens.clear()
        await contacts.scan(None)
        assert twin.store.logins == 2
        await system.close()


@pytest.mark.parametrize(
    ("auth", "shown"),
    [
        ({"kind": "none"}, {}),
        ({"kind": "bearer"}, {"Authorization": "Bearer t0p"}),
        ({"kind": "header", "name": "X-Key"}, {"X-Key": "t0p"}),
        ({"kind": "basic"}, {"Authorization": "Basic " + base64.b64encode(b"ada:pw").decode()}),
        ({"kind": "oauth2", "path": "/token", "scope": "read"}, {"Authorization": "Bearer fresh"}),
    ],
)
async def test_kinds_of_identity(auth: dict[str, str], shown: dict[str, str]) -> None:
    got: list[Any] = []

    def token(request: web.Request) -> web.Response:
        return web.json_response({"access_token": "fresh"})

    def rows(request: web.Request) -> web.Response:
        got.append(request)
        return web.json_response([])

    async with serving({"/token": token, "/a": rows}, []) as url:
        config = RestConfig(
            url=url, token="t0p", username="ada", password="pw",
            definition={"auth": auth, "query": {"lang": "en"}, "resources": {"a": {"path": "/a"}}},
        )  # fmt: skip
        system = await connector.open(config)
        await system.resources()["a"].scan(None)
        await system.close()
    headers = {name: got[0].headers.get(name) for name in ("Authorization", "X-Key") if name in got[0].headers}
    assert headers == shown
    assert got[0].query["lang"] == "en"


async def test_key_in_the_query_is_in_no_error() -> None:
    definition = {"auth": {"kind": "query", "name": "apikey"}, "resources": {"a": {"path": "/a"}}}
    seen: list[str] = []
    async with serving({"/a": lambda request: web.Response(status=500)}, seen) as url:
        system = await connector.open(RestConfig(url=url, token="t0p-secret", definition=definition))
        with pytest.raises(Unavailable) as caught:
            await system.resources()["a"].scan(None)
        await system.close()
    assert seen == ["/a?apikey=t0p-secret"]
    assert "t0p-secret" not in f"{caught.value!r}{caught.value.__cause__!r}"


async def test_wait_header_of_the_systems_own_name_is_read() -> None:
    def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"X-Wait-Seconds": "42"})

    definition = {"wait_header": "X-Wait-Seconds", "resources": {"a": {"path": "/a"}}}
    async with serving({"/a": busy}, []) as url:
        system = await connector.open(RestConfig(url=url, definition=definition))
        with pytest.raises(RateLimited) as caught:
            await system.resources()["a"].scan(None)
        await system.close()
    assert caught.value.wait == 42


@pytest.mark.parametrize(
    ("status", "body", "kind", "text", "field"),
    [
        (400, b'{"message": "No name."}', Rejected, "No name.", None),
        (400, b'{"errors": {"name": ["Too long.", "Not nice."]}}', Rejected, "name: Too long., Not nice.", "name"),
        (422, b'{"error": {"message": "Bad", "field": "iban"}}', Rejected, "Bad", "iban"),
        (412, b"{}", Stale, "changed since", None),
        (409, b'{"message": "Taken."}', Rejected, "Taken.", None),
        (418, b'{"message": "Later."}', Unavailable, "Later.", None),
        (400, b"<html>", Rejected, "status 400", None),
        (400, b'["just", "a list"]', Rejected, "just, a list", None),
        (400, b'{"message": "' + b"x" * 9000 + b'"}', Rejected, "xxx", None),
    ],
)
def test_refusals_in_our_words(status: int, body: bytes, kind: type, text: str, field: str | None) -> None:
    error = refusal(Response(status, {}, body), Errors(field="error.field", status={"418": "unavailable"}))
    assert type(error) is kind
    assert text in str(error)
    assert len(str(error)) < 700
    assert getattr(error, "field", None) == field


def test_unauthorized_can_be_any_status() -> None:
    answer = Response(400, {}, b'{"message": "Key expired."}')
    assert isinstance(refusal(answer, Errors(status={"400": "unauthorized"})), Unauthorized)


def shape(**fields: Field | str) -> Shape:
    return Shape(ResourceDef(path="/a", fields=fields))


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        ("text", "a", "a"),
        ("text", 7, "7"),
        ("decimal", "12.50", Decimal("12.50")),
        ("decimal", Decimal("0.1"), Decimal("0.1")),
        ("decimal", 3, Decimal(3)),
        ("decimal", "", None),
        ("decimal", None, None),
        ("integer", "42", 42),
        ("key", 9, "9"),
        ("date", "2026-02-28", "2026-02-28"),
        ("datetime", "2026-02-28T10:00:00Z", "2026-02-28T10:00:00+00:00"),
        ("datetime", "2026-02-28T10:00:00+02:00", "2026-02-28T08:00:00+00:00"),
        (Field(type="datetime", format="unix"), 0, "1970-01-01T00:00:00+00:00"),
        (Field(type="datetime", format="unix_ms"), 1500, "1970-01-01T00:00:01.500000+00:00"),
        (Field(type="date", format="%d.%m.%Y"), "28.02.2026", "2026-02-28"),
    ],
)
def test_values_are_read_exactly(field: Field | str, raw: Any, value: Any) -> None:
    record = shape(x=field).record({"id": 1, "x": raw}, None, None)
    assert record.fields["x"] == value
    assert type(record.fields["x"]) is type(value)


@pytest.mark.parametrize(
    ("field", "raw"), [("decimal", "a lot"), ("integer", "x"), ("date", "yesterday"), ("datetime", "12:00")]
)
def test_value_of_another_type_names_its_field(field: str, raw: str) -> None:
    with pytest.raises(Unavailable, match="'x' is declared as"):
        shape(x=field).record({"id": 1, "x": raw}, None, None)


def test_absent_is_not_null() -> None:
    fields = shape(x="text", y="text").record({"id": 1, "x": None}, None, None).fields
    assert fields == {"x": None}


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("decimal", Decimal("12.50"), b'{"x":"12.50"}'),
        (Field(type="decimal", send="number"), Decimal("12.50"), b'{"x":12.50}'),
        (Field(type="text", path="a.b"), "v", b'{"a":{"b":"v"}}'),
        (Field(type="text", write="other"), "v", b'{"other":"v"}'),
        (Field(type="date", format="%d.%m.%Y"), "2026-02-28", b'{"x":"28.02.2026"}'),
        (Field(type="datetime", format="unix_ms"), "1970-01-01T00:00:01.500000+00:00", b'{"x":1500}'),
        ("text", None, b'{"x":null}'),
    ],
)
def test_values_are_written_as_the_api_wants_them(field: Field | str, value: Any, sent: bytes) -> None:
    assert encode(shape(x=field).body({"x": value})) == sent


def test_fields_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(Rejected, match="no field 'y'"):
        shape(x="text").body({"y": 1})
    with pytest.raises(Rejected, match="read-only"):
        shape(x=Field(readonly=True)).body({"x": 1})


def test_paths_phrases_and_times() -> None:
    assert at({"a": [{"b": 1}]}, "a.0.b") == 1
    target: dict[str, Any] = {"a": {"c": 1}}
    put(target, "a.b", 2)
    assert target == {"a": {"c": 1, "b": 2}}
    assert base64.urlsafe_b64decode(phrase('["id","in",[{keys}]]', "base64url", keys="1,2")) == b'["id","in",[1,2]]'
    moment = datetime(2026, 2, 28, 10, tzinfo=UTC)
    assert time_text(moment, "iso") == "2026-02-28T10:00:00Z"
    assert time_text(moment, "%Y%m%d") == "20260228"


@pytest.mark.parametrize(
    "how",
    [
        Signature(header="X-S"),
        Signature(header="X-S", algorithm="sha512", encoding="base64", format="sha512={mac}"),
        Signature(header="X-S", kind="token"),
        Signature(header="X-S", signed="{time}.{body}", time_header="X-T"),
        Signature(header="X-S", signed="{time}:{body}", format="t={time},v1={mac}", algorithm="sha1"),
    ],
)
async def test_kinds_of_signatures(how: Signature) -> None:
    import msgspec

    definition = {
        "resources": {"a": {"path": "/a"}},
        "webhook": {"signature": msgspec.to_builtins(how), "resource": "type", "key": "id"},
    }
    config = RestConfig(url="http://127.0.0.1:9", webhook_secret="whsec", definition=definition)
    system: Any = await connector.open(config)
    now = datetime.now(UTC)
    body, stamp = b'{"type": "a", "id": 5}', str(int(now.timestamp()))
    (hint,) = system.verify(signature_headers(how, "whsec", body, stamp), body, now)
    assert (hint.resource, list(hint.keys)) == ("a", ["5"])
    with pytest.raises(Unauthorized):
        system.verify(signature_headers(how, "other", body, stamp), body, now)
    if "{time}" in how.signed:
        with pytest.raises(Unauthorized):
            system.verify(signature_headers(how, "whsec", body, stamp), body, now + timedelta(hours=1))
    elsewhere = b'{"type": "not followed", "id": 5}'
    assert system.verify(signature_headers(how, "whsec", elsewhere, stamp), elsewhere, now) == []
    await system.close()


async def test_write_that_was_accepted_but_cannot_be_read_back_is_of_unknown_outcome() -> None:
    def row(request: web.Request) -> web.Response:
        return web.json_response({}) if request.method == "PATCH" else web.Response(status=500)

    definition = {"resources": {"a": {"path": "/a", "update": {}}}}
    async with serving({"/a/1": row}, []) as url:
        system = await connector.open(RestConfig(url=url, definition=definition))
        resource = system.resources()["a"]
        assert isinstance(resource, Writable)
        (answer,) = await resource.write([Update(before=Record(key="1", fields={}), fields={"x": 1})])
        assert type(answer).__name__ == "UnknownOutcome"
        await system.close()
