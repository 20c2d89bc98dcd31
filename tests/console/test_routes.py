"""Every route has a guard, and the guard lets nobody through who may not."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from isthmus.app.access import ROLES, Permission
from isthmus.console import Site
from isthmus.console.guard import guard
from isthmus.console.permissions import OPEN, PERMISSIONS, SIGNED_IN
from tests.console.people import Browser

FOR_SYSTEMS = {"/health", "/hooks/{system:str}"}
"""Routes that have another door: a signature, or nothing to see."""


def routes(app: Litestar) -> set[tuple[str, str]]:
    """Method and path of everything that is served."""
    return {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.route_handler_map
        if method != "OPTIONS"
    }


def address_of(path: str) -> str:
    """A path with something in the place of its parameters."""
    return "/".join("1" if part.endswith(":int}") else "x" if part[:1] == "{" else part for part in path.split("/"))


def plain(path: str) -> str:
    """A declared path as the router writes it."""
    return path.replace(":str}", "}").replace(":int}", "}")


def test_every_route_says_who_may_use_it_and_no_other_is_declared(app: Litestar) -> None:
    served = {pair for pair in routes(app) if pair[1] not in FOR_SYSTEMS}
    assert served == {(method, plain(path)) for method, path in PERMISSIONS}


def test_every_handler_of_the_console_is_behind_the_guard(app: Litestar) -> None:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path not in FOR_SYSTEMS:
            for handler in route.route_handlers:
                if "OPTIONS" not in handler.http_methods:
                    assert guard in handler.resolve_guards(), route.path


async def test_nobody_who_is_not_signed_in_gets_anything_but_the_door(browser: Browser) -> None:
    await browser.get("/sign-in")
    for (method, path), needed in PERMISSIONS.items():
        if needed == OPEN:
            continue
        ask = browser.get if method == "GET" else browser.post
        answer = await ask(address_of(path))
        assert answer.status_code == 401, (method, path)
        assert 'name="password"' in answer.text, (method, path)


@pytest.mark.parametrize("role", list(ROLES))
async def test_a_role_reaches_its_routes_and_no_others(browser: Browser, site: Site, role: str) -> None:
    await browser.sign_in(role)
    await browser.get("/me")
    for (method, path), needed in PERMISSIONS.items():
        if needed in (OPEN, SIGNED_IN) or path == "/live":
            continue
        ask = browser.get if method == "GET" else browser.post
        answer = await ask(address_of(path))
        if Permission(needed) in ROLES[role]:
            assert answer.status_code not in (401, 403, 500), (role, method, path, answer.text[-300:])
        else:
            assert answer.status_code == 403, (role, method, path)
            assert "Not yours to open" in answer.text
    assert len(await site.access.people.people()) == len(ROLES), "somebody was added without permission"


async def test_a_mass_change_is_approved_by_approvers_only(site: Site) -> None:
    may = {role for role, granted in ROLES.items() if Permission.APPROVE in granted}
    assert may == {"approver"}
