"""Every way in which BottleCRM says no becomes the right error of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from isthmus.connector import HttpClient
from isthmus.connectors.bottlecrm.client import Client, reason
from isthmus.errors import (
    IsthmusError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    UnknownOutcome,
)


class Answering:
    """A server that gives one answer to everything."""

    status = 200
    body: Any = "{}"
    headers: Mapping[str, str] = {}

    async def handle(self, request: web.Request) -> web.Response:
        return web.Response(status=self.status, text=self.body, headers=self.headers, content_type="application/json")


@pytest_asyncio.fixture
async def answering() -> AsyncIterator[tuple[Answering, Client]]:
    answer, app = Answering(), web.Application()
    app.router.add_route("*", "/{tail:.*}", answer.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with HttpClient(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
        yield answer, Client(http)
    await runner.cleanup()


@pytest.mark.parametrize(
    ("told", "field", "text"),
    [
        (
            {"error": True, "errors": {"name": ["Account already exists with this name"]}},
            "name",
            "name: Account already",
        ),
        ({"error": True, "errors": "This account can't be deleted"}, None, "This account can't be deleted"),
        ({"error": True, "message": "Invoice not found"}, None, "Invoice not found"),
        ({"detail": 'Method "PATCH" not allowed.'}, None, 'Method "PATCH" not allowed.'),
        ({"url": ["Enter a valid URL."]}, "url", "url: Enter a valid URL."),
        ({"error": True, "errors": {"non_field_errors": ["Cannot record"]}}, None, "Cannot record"),
        (
            {"error": True, "errors": {"line_items": [{}, {"quantity": ["Quantity must be more than zero."]}]}},
            "line_items.quantity",
            "line_items.quantity: Quantity must",
        ),
        ({"errors": {"custom_fields": {"erp_net": "must be a number"}}}, "custom_fields.erp_net", "must be a number"),
        ({"error": True}, None, "no reason given"),
        ({}, None, "no reason given"),
    ],
)
def test_reasons_are_found_in_every_shape(told: dict[str, Any], field: str | None, text: str) -> None:
    found, words = reason(told)
    assert found == field
    assert text in words


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"error": true, "errors": {"email": ["Enter a valid email address."]}}', Rejected),
        (409, '{"error": true, "errors": "linked"}', Rejected),
        (405, '{"detail": "Method not allowed."}', Rejected),
        (401, '{"detail": "Invalid token."}', Unauthorized),
        (403, '{"detail": "No."}', Unauthorized),
        (429, "{}", RateLimited),
        (503, "{}", Unavailable),
        (500, "<h1>IntegrityError</h1>", UnknownOutcome),
        (502, "<h1>Bad gateway</h1>", UnknownOutcome),
        (200, "<h1>It works!</h1>", UnknownOutcome),
        (200, "[1, 2]", UnknownOutcome),
        (413, "<h1>Too large</h1>", Rejected),
        (404, "<h1>Not found</h1>", Unavailable),
    ],
)
async def test_answers_to_writes(
    answering: tuple[Answering, Client], status: int, body: str, kind: type[IsthmusError]
) -> None:
    answer, client = answering
    answer.status, answer.body = status, body
    with pytest.raises(IsthmusError) as caught:
        await client.send("POST", "/api/accounts/", {"name": "x"})
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, "<h1>Server error</h1>", Unavailable),
        (200, "<h1>It works!</h1>", Unavailable),
        (200, "[]", Unavailable),
        (404, "<h1>No such page</h1>", Unavailable),
        (400, '{"detail": "limit"}', Rejected),
    ],
)
async def test_answers_to_reads(
    answering: tuple[Answering, Client], status: int, body: str, kind: type[IsthmusError]
) -> None:
    answer, client = answering
    answer.status, answer.body = status, body
    with pytest.raises(IsthmusError) as caught:
        await client.read("/api/accounts/1/")
    assert type(caught.value) is kind


async def test_only_bottlecrms_own_not_found_means_gone(answering: tuple[Answering, Client]) -> None:
    answer, client = answering
    answer.status, answer.body = 404, '{"detail": "No Account matches the given query."}'
    assert await client.read("/api/accounts/1/") is None
    assert await client.send("DELETE", "/api/accounts/1/") is None
    assert await client.read_list("/api/invoices/1/payments/") is None


async def test_the_field_at_fault_is_named(answering: tuple[Answering, Client]) -> None:
    answer, client = answering
    answer.status, answer.body = 400, '{"error": true, "errors": {"email": ["Enter a valid email address."]}}'
    with pytest.raises(Rejected, match="Enter a valid email address") as caught:
        await client.send("PATCH", "/api/accounts/1/", {"email": "x"})
    assert caught.value.field == "email"
