"""The rest connector keeps the contract in four dialects, described by YAML only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from ruamel.yaml import YAML

from isthmus.connectors.rest import RestConfig, connector
from isthmus.connectors.rest.definition import load
from isthmus.connectors.rest.hook import signature_headers
from isthmus.testing import ConnectorContract, Delivery, Request, ResourceCase, config_fixture
from tests.connectors.rest.api_twin import SECRET, Classic, Dialect, Linked, Modern, Plain
from tests.connectors.rest.definitions import CLASSIC, LINKED, MODERN, PLAIN

HOOK_SECRET = "whsec-of-the-twin"


def parsed(text: str) -> Any:
    return YAML(typ="safe").load(text)


class RestContract(ConnectorContract):
    connector = connector
    dialect: ClassVar[type[Dialect]] = Modern
    definition: ClassVar[str] = MODERN
    login: ClassVar[dict[str, str]] = {"token": SECRET, "webhook_secret": HOOK_SECRET}
    cases = (
        ResourceCase(
            name="contacts",
            create={"name": "Ada {tag}", "limit": Decimal("12.50"), "tags": ["x", "y"]},
            change={"name": "Eve {tag}"},
            second={"name": "Zoe {tag}", "limit": Decimal("0.1")},
            invalid={"name": ""},
            text="note",
            unknown_key="c_999999",
        ),
    )

    @config_fixture
    @classmethod
    async def config(cls) -> AsyncIterator[RestConfig]:
        async with cls.dialect().running() as url:
            yield RestConfig(url=url, definition=parsed(cls.definition), **cls.login)  # type: ignore[arg-type]

    def delivery(self, system: Any) -> Delivery:
        return Delivery(body=b'{"type": "contact.changed", "data": {"id": "c_7"}}', resource="contacts", key="c_7")

    def sign(self, system: Any, body: bytes, at: datetime) -> dict[str, str]:
        webhook = load(parsed(self.definition)).webhook
        assert webhook is not None
        return signature_headers(webhook.signature, HOOK_SECRET, body, str(int(at.timestamp())))


class TestModernApi(RestContract):
    pass


class TestLinkedApi(RestContract):
    dialect = Linked
    definition = LINKED
    login = {"token": SECRET}


class TestClassicApi(RestContract):
    dialect = Classic
    definition = CLASSIC
    login = {"username": "hub", "password": SECRET}
    cases = (
        ResourceCase(
            name="contacts",
            create={"name": "Ada {tag}", "limit": Decimal("12.50"), "since": "2026-02-28"},
            change={"name": "Eve {tag}"},
            second={"name": "Zoe {tag}", "since": "2025-12-31"},
            invalid={"name": ""},
            text="note",
        ),
        ResourceCase(
            name="payments",
            create={"name": "Transfer {tag}", "limit": Decimal("99.99")},
            invalid={"name": ""},
            parents={"contact": "contacts"},
            unknown_key="1/999999",
        ),
    )


class TestPlainApi(RestContract):
    dialect = Plain
    definition = PLAIN
    login = {"username": "hub", "password": SECRET}
    cases = (
        ResourceCase(
            name="contacts",
            create={"name": "Ada {tag}", "limit": Decimal("12.50"), "born": "2001-02-03T04:05:06+00:00"},
            change={"name": "Eve {tag}"},
            second={"name": "Zoe {tag}"},
            invalid={"name": ""},
            text="note",
        ),
    )

    def is_write(self, request: Request) -> bool:
        return request.method in ("POST", "DELETE") and not request.path.startswith("/open/")
