"""Contract tests of bad days: every failure is one of our errors, and a write's error never lies."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import msgspec
import pytest

from isthmus.connector import Connector, Create, Findable, Record, System, Update, Writable
from isthmus.connector.config import secret_fields
from isthmus.errors import IsthmusError, RateLimited, Unauthorized, Unavailable, UnknownOutcome
from isthmus.testing.faults import Fault, FaultyProxy, Request
from isthmus.testing.stage import Stage

__all__ = ["PROXIED", "Breaker", "FailureTests", "failure"]

PROXIED = frozenset(
    {
        "test_failing_reads_are_told_as_they_are",
        "test_write_that_was_refused_before_work_is_told_so",
        "test_write_to_a_system_that_is_down_had_no_effect",
    }
)
"""Tests in which the breaker answers in place of the system."""

_READ_FAULTS = {
    Fault.DROP: Unavailable,
    Fault.BUSY: Unavailable,
    Fault.TOO_MANY: RateLimited,
    Fault.BROKEN: Unavailable,
    Fault.GARBAGE: Unavailable,
    Fault.NOISE: Unavailable,
    Fault.HALF: Unavailable,
    Fault.SWALLOW: Unavailable,
}
_UNSENT_FAULTS = {Fault.BUSY: Unavailable, Fault.TOO_MANY: RateLimited}
_LOST_FAULTS = (Fault.SWALLOW, Fault.HALF, Fault.GARBAGE_AFTER)


class Breaker(Protocol):
    """Spoils what comes between a system and its hub."""

    def fail(self, fault: Fault, *, writes: bool) -> None:
        """From now on every request (``writes``: only requests that write) has this fault."""

    async def stop(self) -> None:
        """The far system is down."""

    async def heal(self) -> None:
        """All is well again."""


class _ProxyBreaker:
    def __init__(self, proxy: FaultyProxy, is_write: Callable[[Request], bool]) -> None:
        self._proxy, self._is_write = proxy, is_write

    def fail(self, fault: Fault, *, writes: bool) -> None:
        self._proxy.fail(fault, when=self._is_write if writes else lambda request: True)

    async def stop(self) -> None:
        await self._proxy.stop()

    async def heal(self) -> None:
        await self._proxy.heal()


class FailureTests:
    """Bad days, made by a :class:`FaultyProxy` before ``config.url`` (override ``broken`` where that does not fit)."""

    connector: ClassVar[Connector]
    url_field: ClassVar[str] = "url"
    """Field of the configuration that holds the system's address; the proxy stands before it."""
    breaks: ClassVar[str | None] = None
    """Name of the only case with which the breaker answers in place of the system; None: with each. For a real system
    whose twin keeps the whole contract: what the breaker answers is the same before both."""

    def is_write(self, request: Request) -> bool:
        """Whether this request changes something (override where reads are POSTs too, as in RPC)."""
        return request.method in ("POST", "PUT", "PATCH", "DELETE")

    def wrong_credentials(self, config: Any) -> Any:
        """The configuration with credentials that the system must refuse."""
        hidden = {name for name in secret_fields(type(config)) if isinstance(getattr(config, name), str)}
        if not hidden:
            pytest.skip("the configuration has no secrets (none is annotated as Secret)")
        return msgspec.structs.replace(config, **dict.fromkeys(hidden, "wrong-credential"))

    @asynccontextmanager
    async def broken(self, config: Any) -> AsyncIterator[tuple[Any, Breaker]]:
        """A configuration that leads through a breaker to the same installation, and the breaker."""
        async with FaultyProxy(getattr(config, self.url_field)) as proxy:
            yield msgspec.structs.replace(config, **{self.url_field: proxy.url}), _ProxyBreaker(proxy, self.is_write)

    @pytest.fixture
    def broken_day(self, config: Any) -> Callable[[], AbstractAsyncContextManager[tuple[Any, Breaker]]]:
        """Makes :meth:`broken` available to tests."""
        return lambda: self.broken(config)

    async def test_system_that_is_down_is_unavailable(
        self, broken_day: Any, connection: Any, secrets: list[str]
    ) -> None:
        async with broken_day() as (config, breaker):
            await breaker.stop()
            error = await failure(lambda: _open_and_check(connection, config))
            assert type(error) is Unavailable, f"a system that is down gave {error!r}"
            _assert_discreet(error, secrets)

    async def test_wrong_credentials_are_unauthorized(self, config: Any, connection: Any, secrets: list[str]) -> None:
        error = await failure(lambda: _open_and_check(connection, self.wrong_credentials(config)))
        assert isinstance(error, Unauthorized), f"wrong credentials gave {error!r}"
        _assert_discreet(error, secrets)

    @pytest.mark.parametrize("fault", list(_READ_FAULTS), ids=str)
    async def test_failing_reads_are_told_as_they_are(
        self, fault: Fault, stage: Stage, broken_day: Any, connection: Any, secrets: list[str]
    ) -> None:
        key = (await stage.some()).key
        async with broken_day() as (config, breaker):
            system = await connection(config)
            resource = system.resources()[stage.case.name]
            await resource.fetch([key])
            breaker.fail(fault, writes=False)
            reads: dict[str, Callable[[], Awaitable[Any]]] = {
                "check": system.check,
                "fetch": lambda: resource.fetch([key]),
                "scan": lambda: resource.scan(None),
            }
            for name, read in reads.items():
                error = await failure(read)
                assert type(error) is _READ_FAULTS[fault], f"{name} with {fault} gave {error!r}"
                if fault in (Fault.BUSY, Fault.TOO_MANY):
                    assert getattr(error, "wait", None) == 7, f"{name}: the wait of Retry-After: 7 was lost"
                _assert_discreet(error, secrets)
            await breaker.heal()
            assert isinstance((await resource.fetch([key]))[0], Record), "no recovery after the fault"

    @pytest.mark.parametrize("fault", list(_UNSENT_FAULTS), ids=str)
    async def test_write_that_was_refused_before_work_is_told_so(
        self, fault: Fault, stage: Stage, broken_day: Any, connection: Any
    ) -> None:
        sample = await stage.sample()
        async with broken_day() as (config, breaker):
            writable = await _writable(connection, config, stage)
            breaker.fail(fault, writes=True)
            error = await _outcome(writable, Create(token=stage.tag(), fields=sample))
            assert type(error) is _UNSENT_FAULTS[fault], f"a create with {fault} gave {error!r}"
            await breaker.heal()

    @pytest.mark.parametrize("fault", _LOST_FAULTS, ids=str)
    async def test_create_whose_answer_is_lost_has_an_unknown_outcome(
        self, fault: Fault, stage: Stage, broken_day: Any, connection: Any, secrets: list[str]
    ) -> None:
        create = Create(token=stage.tag(), fields=await stage.sample())
        since = self.now() - timedelta(minutes=1)
        async with broken_day() as (config, breaker):
            writable = await _writable(connection, config, stage)
            breaker.fail(fault, writes=True)
            error = await _outcome(writable, create)
            assert type(error) is UnknownOutcome, (
                f"the record was made and its answer lost ({fault}), but the connector says {error!r}"
            )
            _assert_discreet(error, secrets)
            await breaker.heal()
        await stage.settle()
        if isinstance(stage.resource, Findable):
            found = await stage.resource.find_created(create, since)
            assert len(found) == 1, f"find_created should find the lost record, it found {len(found)}"
            stage.note(found[0].record)
        if stage.traits.idempotent_create:
            again = await stage.record(stage.writable(), create)
            assert isinstance(again, Record)

    @pytest.mark.parametrize("fault", _LOST_FAULTS, ids=str)
    async def test_update_whose_answer_is_lost_has_an_unknown_outcome(
        self, fault: Fault, stage: Stage, broken_day: Any, connection: Any
    ) -> None:
        change, _ = stage.need_change()
        before = await stage.read((await stage.create()).key)
        async with broken_day() as (config, breaker):
            writable = await _writable(connection, config, stage)
            breaker.fail(fault, writes=True)
            error = await _outcome(writable, Update(before=before, fields=change))
            assert type(error) is UnknownOutcome, f"an update whose answer was lost ({fault}) gave {error!r}"
            await breaker.heal()

    async def test_write_to_a_system_that_is_down_had_no_effect(
        self, stage: Stage, broken_day: Any, connection: Any
    ) -> None:
        sample = await stage.sample()
        async with broken_day() as (config, breaker):
            writable = await _writable(connection, config, stage)
            await breaker.stop()
            error = await _outcome(writable, Create(token=stage.tag(), fields=sample))
            assert type(error) is Unavailable, f"a create to a system that is down gave {error!r}"

    def now(self) -> Any:
        """The time by the far system's clock (UTC)."""
        raise NotImplementedError


async def _writable(connection: Any, config: Any, stage: Stage) -> Writable:
    """The resource through the breaker, warmed up by one read (logins and field lists are behind it)."""
    stage.writable()
    resource = (await connection(config)).resources()[stage.case.name]
    await resource.fetch([stage.case.unknown_key])
    assert isinstance(resource, Writable)
    return resource


async def _outcome(writable: Writable, write: Create | Update) -> object:
    """The answer to a write, or the error that was raised in its place (which must then mean: no effect)."""
    try:
        answers = await writable.write([write])
    except IsthmusError as error:
        assert not isinstance(error, UnknownOutcome), (
            "UnknownOutcome was raised: raising means that nothing happened, so it must be the answer to its write"
        )
        return error
    assert len(answers) == 1, f"one write got {len(answers)} answers"
    return answers[0]


async def _open_and_check(connection: Any, config: Any) -> None:
    system: System = await connection(config)
    await system.check()


async def failure(call: Callable[[], Awaitable[Any]]) -> BaseException:
    """The error of a call that must fail with one of ours."""
    try:
        result = await call()
    except IsthmusError as error:
        return error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} is not one of isthmus.errors: {error}") from error
    raise AssertionError(f"no error, but the answer {str(result)[:200]!r}")


def _assert_discreet(error: object, secrets: list[str]) -> None:
    """No secret in the error, its advice or any error that caused it."""
    if isinstance(error, BaseException):
        shown = "".join(traceback.format_exception(error, limit=0)) + repr(getattr(error, "__dict__", Mapping))
        leaked = [secret for secret in secrets if secret in shown]
        assert not leaked, f"the text of {type(error).__name__} shows a secret"
