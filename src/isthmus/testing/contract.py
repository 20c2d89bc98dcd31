"""The contract that every connector keeps, as a pytest class to derive from.

    from isthmus.testing import ConnectorContract, ResourceCase, config_fixture

    class TestAcme(ConnectorContract):
        connector = acme.connector
        cases = (ResourceCase(name="customers", create={"name": "Ada {tag}"}, change={"name": "Eve {tag}"},
                              second={"name": "Zoe {tag}"}, invalid={"name": ""}, text="name"),)

        @config_fixture
        @classmethod
        async def config(cls):
            async with AcmeTwin() as twin:
                yield AcmeConfig(url=twin.url, token=twin.token)

Promises (traits, and protocols found by isinstance) switch tests on: a promise that is not kept fails, a promise that
is not made is shown as skipped with its reason.
"""

from __future__ import annotations

import inspect
import secrets as randomness
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from isthmus.connector import Connector, System
from isthmus.connector.config import secret_fields
from isthmus.testing.asking import ServiceTests
from isthmus.testing.calling import SystemTests
from isthmus.testing.case import ResourceCase
from isthmus.testing.changing import FeedTests
from isthmus.testing.failing import PROXIED, FailureTests
from isthmus.testing.reading import ReadingTests
from isthmus.testing.stage import Stage
from isthmus.testing.writing import WritingTests

__all__ = ["ConnectorContract", "config_fixture"]


def config_fixture(method: Any) -> Any:
    """Decorator above ``@classmethod`` for the ``config`` fixture of a contract test, plain or async, returning or
    yielding. It runs once for the class, and may ask for other fixtures (of class scope or wider)."""
    once: Any = method if isinstance(method, classmethod) else classmethod(method)
    function = once.__func__
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return pytest_asyncio.fixture(scope="class", loop_scope="class")(once)
    return pytest.fixture(scope="class")(once)


@pytest.mark.asyncio(loop_scope="class")
class ConnectorContract(ReadingTests, WritingTests, FeedTests, FailureTests, SystemTests, ServiceTests):
    """Derive, set ``connector`` and ``cases``, give the fixture ``config``; see the module's example.

    May also be overridden: ``open_system`` (how to open), ``wrong_credentials``, ``is_write``, ``broken`` (faults),
    ``delivery`` and ``sign`` (webhooks), ``questions`` and ``refused`` (operations),
    ``wanted`` (custom fields), ``tag`` (unique names), ``now``.
    """

    connector: ClassVar[Connector]
    cases: ClassVar[tuple[ResourceCase, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test per resource case for the tests that look at a resource."""
        if "case" in metafunc.fixturenames:
            few = self.breaks is not None and metafunc.function.__name__ in PROXIED
            cases = [case for case in self.cases if not few or case.name == self.breaks]
            metafunc.parametrize("case", cases, ids=[case.name for case in cases])

    def now(self) -> datetime:
        """The time by the far system's clock (UTC)."""
        return datetime.now(UTC)

    def tag(self) -> str:
        """Something unique to put in names; lower-case letters and digits."""
        return f"it{randomness.token_hex(5)}"

    async def open_system(self, config: Any) -> System:
        """Open the installation that the configuration tells."""
        return await self.connector.open(config)

    @config_fixture
    @classmethod
    async def config(cls) -> Any:
        """Configuration of a system to test; override in the subclass."""
        raise NotImplementedError("override the fixture `config` in your contract test")

    @config_fixture
    @classmethod
    async def system(cls, config: Any) -> AsyncIterator[System]:
        """The open system, one for the whole class."""
        system = await cls().open_system(config)
        yield system
        await system.close()

    @pytest_asyncio.fixture(loop_scope="class")
    async def connection(self) -> AsyncIterator[Callable[[Any], Awaitable[System]]]:
        """Opens further systems, closed at the end of the test."""
        opened: list[System] = []

        async def connect(config: Any) -> System:
            opened.append(await self.open_system(config))
            return opened[-1]

        yield connect
        for system in opened:
            await system.close()

    @pytest_asyncio.fixture(loop_scope="class")
    async def stage(self, system: System, config: Any, case: ResourceCase) -> AsyncIterator[Stage]:
        """Helpers around one resource; cleans up what the test made."""
        cases = {each.name: each for each in self.cases}
        stage = Stage(system, case, cases, self.tag, lambda: self.open_system(config))
        yield stage
        await stage.strike()

    @pytest.fixture
    def secrets(self, config: Any) -> list[str]:
        """The secret values of the configuration, which nothing may ever show."""
        values = [getattr(config, name) for name in secret_fields(type(config))]
        return [value for value in values if isinstance(value, str) and len(value) > 3]
