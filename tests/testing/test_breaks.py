"""Before a real system the breaker answers for one resource only, when the contract's user says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from isthmus.testing import ConnectorContract
from isthmus.testing.failing import PROXIED
from tests.testing.memory_case import MemoryContract


class Every(MemoryContract):
    __test__ = False
    cases = tuple(replace(MemoryContract.cases[0], name=name) for name in ("first", "second"))


class Few(Every):
    breaks = "first"


class Asked:
    """What pytest asks for when it collects one test of a contract."""

    fixturenames = ("stage", "case")

    def __init__(self, contract: type[ConnectorContract], test: str) -> None:
        self.function, self.ids = getattr(contract, test), []
        contract().pytest_generate_tests(self)  # type: ignore[arg-type]

    def parametrize(self, _: str, cases: Sequence[Any], ids: list[str]) -> None:
        self.ids = ids


def test_only_what_the_breaker_answers_is_asked_once() -> None:
    for test in PROXIED:
        assert Asked(Every, test).ids == ["first", "second"]
        assert Asked(Few, test).ids == ["first"]
    lost = "test_create_whose_answer_is_lost_has_an_unknown_outcome"
    assert Asked(Few, lost).ids == ["first", "second"]
