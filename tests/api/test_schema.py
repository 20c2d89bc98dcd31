"""The OpenAPI document is current, and whatever a program sends within or beside it, the API keeps to it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from isthmus.api.v1 import SCOPES, ApiSite, openapi_document
from isthmus.app.access import Permission
from isthmus.app.bootstrap import read_project
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from isthmus.web import Parts, serve
from tests.api.conftest import EVERYTHING
from tests.api.office import PretendBusiness, documents_made, made
from tests.app.twin_office import make_project
from tests.console.people import a_person
from tests.tidy.tree import ROOT

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = json.loads(openapi_document())
EXAMPLES = 12
"""Of each operation: half of them fit its schema, half do not."""


def test_the_committed_document_is_current() -> None:
    kept = (ROOT / "docs" / "openapi.json").read_bytes()
    assert kept == openapi_document(), "python scripts/openapi.py"


def test_the_document_has_every_route_and_says_its_scope() -> None:
    told = {
        (method.upper(), path.replace("}", ":str}")): operation
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
    }
    assert set(told) == {pair for pair in SCOPES if pair[1] != "/api/v1/openapi.json"}
    for pair, operation in told.items():
        assert f"Scope: `{SCOPES[pair]}`." in operation["description"]
        assert operation["summary"]


async def _serve(url: str, folder: Path, ready: threading.Event, told: dict[str, Any]) -> None:
    stop = asyncio.Event()
    told["stop"] = (asyncio.get_running_loop(), stop)
    async with await PostgresStore.open(url) as store:
        project = read_project(make_project(folder, "http://127.0.0.1:1"))
        world = World(project.flows, project.converters, project.entities)
        site = ApiSite(project, store, world, PretendBusiness(project, store, world))
        await site.access.people.save(a_person("all", roles=EVERYTHING))
        scopes = [one for one in Permission if one != Permission.SHOP]
        told["token"] = (await site.access.add_token("all@office.example", "t", scopes, by="t"))[1]
        await made(store, "Customer", {"number": "K1", "name": "Kern"}, "kern")
        await made(store, "Product", {"sku": "BRG-1", "name": "Bearing"}, "bearing")
        await made(store, "SalesOrder", {"number": "S1", "customer": "kern", "state": "done"}, "order-one")
        await documents_made(store)
        async with serve(Parts(api=site), "127.0.0.1", 0) as port:
            told["address"] = f"http://127.0.0.1:{port}"
            ready.set()
            await stop.wait()


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A server of its own in a thread of its own: address and token."""
    ready, told = threading.Event(), {}
    thread = threading.Thread(target=lambda: asyncio.run(_serve(database_url, tmp_path / "p", ready, told)))
    thread.start()
    try:
        assert ready.wait(60)
        yield told
    finally:
        if "stop" in told:
            loop, stop = told["stop"]
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)


KNOWN = {"id": st.sampled_from(["kern", "bearing", "order-one", "S1", "Q1", "MR1", "RT1", "RR1", "LS1", "none"])}


# The server runs in a thread of this process, and spreads what it repeats by chance: that is not done by a strategy.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
def test_no_request_breaks_the_api_or_its_document(server: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    seen: dict[int, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=st.one_of(
                operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
                operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
            ),
            known=KNOWN["id"],
            use=st.booleans(),
        )
        def call(case: Any, known: str, use: bool) -> None:
            if use and case.path_parameters and "id" in case.path_parameters:
                case.path_parameters["id"] = known
            answer = case.call(base_url=server["address"], headers={"authorization": f"Bearer {server['token']}"})
            case.validate_response(answer, checks=CHECKS)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1

        call()
    assert seen.get(200, 0) > 20, seen
    assert seen.get(400, 0) > 20, seen
    assert 429 not in seen
