"""Every route of the API says its scope, and no token gets through without it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar
from litestar.routes import HTTPRoute

from isthmus.api.v1 import SCOPES, ApiSite, api_router
from isthmus.api.v1.door import guard
from isthmus.api.v1.problems import CODES
from isthmus.api.v1.scopes import OPEN
from isthmus.app.access import ROLES, Permission
from isthmus.web import Parts, make_app
from tests.api.office import Program, made
from tests.console.people import a_person
from tests.tidy.tree import ROOT

Tokens = Callable[..., Awaitable[str]]


def address_of(path: str) -> str:
    """A path below /api/v1 with something in the place of its parameters."""
    return path.removeprefix("/api/v1").replace("{id:str}", "x")


def test_every_route_has_its_scope_and_no_other_is_declared(app: Litestar) -> None:
    served = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/")
        for method in route.route_handler_map
        if method != "OPTIONS"
    }
    assert served == set(SCOPES)


def test_every_handler_is_behind_the_guard(app: Litestar) -> None:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/"):
            assert all(
                guard in one.resolve_guards() for one in route.route_handlers if "OPTIONS" not in one.http_methods
            )


@pytest.mark.parametrize("secret", ["", "isth_wrong", "wrong", "isth_ü"])
async def test_without_a_valid_token_nothing_is_told(client: AsyncClient, secret: str) -> None:
    program = Program(client, "")
    for (method, path), needed in SCOPES.items():
        headers = {"authorization": f"Bearer {secret}".encode()} if secret else {}
        answer = await program.client.request(method, f"/api/v1{address_of(path)}", headers=headers)
        assert answer.status_code == (200 if needed == OPEN else 401), (method, path, answer.text)
        if needed != OPEN:
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert answer.json()["code"] == "no-token"
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scope", list(Permission))
async def test_a_token_reaches_the_routes_of_its_scope_and_no_others(
    client: AsyncClient, token: Tokens, scope: str
) -> None:
    program = Program(client, await token(scope))
    for (method, path), needed in SCOPES.items():
        if needed == OPEN:
            continue
        answer = await program.call(method, address_of(path))
        if needed == scope:
            assert answer.status_code not in (401, 403, 500), (method, path, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "no-scope"), (method, path)


@pytest.mark.parametrize("role", list(ROLES))
async def test_a_token_never_may_more_than_its_person(
    client: AsyncClient, api: ApiSite, token: Tokens, role: str
) -> None:
    await made(api.store, "Customer", {"name": "Buyer"}, "buyer")
    customer = "buyer" if role == "customer" else None
    await api.access.people.save(a_person(role, customer=customer))
    program = Program(client, await token(*Permission, login=f"{role}@office.example"))
    for (method, path), needed in SCOPES.items():
        if needed != OPEN:
            answer = await program.call(method, address_of(path))
            assert (answer.status_code == 403) == (Permission(needed) not in ROLES[role]), (role, method, path)


async def test_a_revoked_token_is_none(client: AsyncClient, api: ApiSite) -> None:
    made_token, secret = await api.access.add_token("all@office.example", "t", ["see"], by="test")
    program = Program(client, secret)
    assert (await program.get("/me")).status_code == 200
    await api.access.revoke_token(made_token.id, by="test")
    assert (await program.get("/me")).status_code == 401


async def test_too_many_calls_of_one_token_wait(api: ApiSite, token: Tokens) -> None:
    app = Litestar([api_router(limit=3)], logging_config=None, openapi_config=None)
    app.state.api = api
    async with AsyncClient(transport=ASGITransport(app), base_url="http://api") as client:
        one, other = Program(client, await token()), Program(client, await token())
        assert [(await one.get("/me")).status_code for _ in range(4)] == [200, 200, 200, 429]
        late = await one.get("/me")
        assert late.json()["code"] == "too-many"
        assert late.headers["content-type"].startswith("application/problem+json")
        assert int(late.headers["retry-after"]) > 0
        assert (await other.get("/me")).status_code == 200


async def test_what_is_too_large_or_no_json_is_told_as_a_problem(program: Program) -> None:
    large = await program.client.post(
        "/api/v1/order-simulations",
        content=b'{"customer": "' + b"x" * 300_000 + b'"}',
        headers={"authorization": f"Bearer {program.token}", "content-type": "application/json"},
    )
    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    for body in (b"{", b"\xff", b"[]", b'{"customer": 1}', b""):
        answer = await program.client.post(
            "/api/v1/order-simulations",
            content=body,
            headers={"authorization": f"Bearer {program.token}", "content-type": "application/json"},
        )
        assert answer.status_code == 400, body
        assert answer.headers["content-type"].startswith("application/problem+json")


async def test_a_fault_of_ours_tells_nothing_of_itself(
    program: Program, api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(api.pages, "items", broken)
    answer = await program.get("/items")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


def test_the_api_is_left_out_where_it_is_not_wanted() -> None:
    assert not [route for route in make_app(Parts()).routes if route.path.startswith("/api/")]


def test_every_code_of_a_request_is_explained() -> None:
    told = set(re.findall(r'<a id="([a-z-]+)">', (ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/isthmus/api/v1").glob("*.py"))
    raised = set(re.findall(r'Failed\(\s*\d+,\s*"([a-z-]+)"', source)) | set(CODES.values())
    assert told == raised


def test_every_scope_of_a_route_is_explained() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert all(f"| `{scope}` |" in text for scope in set(SCOPES.values()) - {OPEN})
