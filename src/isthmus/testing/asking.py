"""Contract tests of a system's operations (:class:`~isthmus.connector.services.Services`)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from isthmus.connector import System
from isthmus.connector.services import Services
from isthmus.errors import NeedsPerson, RateLimited, Unavailable
from isthmus.testing.failing import failure
from isthmus.testing.faults import Fault

__all__ = ["ServiceTests"]

_FAULTS = {
    Fault.DROP: Unavailable,
    Fault.BUSY: Unavailable,
    Fault.TOO_MANY: RateLimited,
    Fault.GARBAGE: Unavailable,
    Fault.HALF: Unavailable,
}


class ServiceTests:
    """Tests of operations. A subclass whose system is a :class:`Services` says what to ask (``questions``) and what
    must be refused (``refused``)."""

    async def questions(self, system: Any) -> Mapping[str, msgspec.Struct]:
        """A good question for each operation."""
        return {}

    async def refused(self, system: Any) -> Mapping[str, msgspec.Struct]:
        """A question for each operation that the system must refuse."""
        return {}

    async def test_operations_answer_what_they_promise(self, system: System) -> None:
        offered, questions = _services(system).operations(), await self._asked(system)
        assert set(questions) == set(offered), "give one question for each operation"
        for name, operation in offered.items():
            assert operation.name == name
            assert type(questions[name]) is operation.input
            answer = await _services(system).call(name, questions[name], token=f"once-{name}")
            assert type(answer) is operation.output, f"{name} answered {answer!r}"
            shown = msgspec.to_builtins(answer, builtin_types=(Decimal,))
            assert "float" not in _types(shown), f"{name} answers a float: {answer!r}"

    async def test_an_operation_that_changes_nothing_answers_the_same_twice(self, system: System) -> None:
        for name, question in (await self._asked(system)).items():
            if not _services(system).operations()[name].changes:
                first = await _services(system).call(name, question)
                assert await _services(system).call(name, question) == first, name

    async def test_an_operation_is_idempotent_by_its_token(self, system: System) -> None:
        promised = {n for n, o in _services(system).operations().items() if o.changes and o.idempotent}
        if not promised:
            pytest.skip("not promised: an operation that changes something and is idempotent")
        for name, question in (await self._asked(system)).items():
            if name in promised:
                token = f"contract-twice-{name}"
                first = await _services(system).call(name, question, token=token)
                assert await _services(system).call(name, question, token=token) == first, name

    async def test_a_wrong_question_is_refused_with_the_reason(self, system: System) -> None:
        await self._asked(system)
        for name, question in (await self.refused(system)).items():
            error = await failure(partial(_services(system).call, name, question))
            assert isinstance(error, NeedsPerson), f"{name} gave {error!r}"
            assert error.message

    async def test_an_unknown_operation_is_a_fault_of_the_caller(self, system: System) -> None:
        with pytest.raises(LookupError):
            await _services(system).call("no_such_operation", None)

    @pytest.mark.parametrize("fault", list(_FAULTS), ids=str)
    async def test_failing_questions_are_told_as_they_are(
        self, fault: Fault, system: System, broken_day: Any, connection: Any
    ) -> None:
        questions = await self._asked(system)
        async with broken_day() as (config, breaker):
            opened = await connection(config)
            breaker.fail(fault, writes=False)
            for name, question in questions.items():
                if not _services(opened).operations()[name].changes:
                    error = await failure(partial(_services(opened).call, name, question))
                    assert type(error) is _FAULTS[fault], f"{name} under {fault} gave {error!r}"

    async def _asked(self, system: System) -> Mapping[str, msgspec.Struct]:
        _services(system)
        questions = await self.questions(system)
        if not questions:
            pytest.skip("no questions: this contract does not look at operations")
        return questions


def _services(system: System) -> Services:
    if not isinstance(system, Services):
        pytest.skip("not promised: Services")
    return system


def _types(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {name for inner in value.values() for name in _types(inner)}
    if isinstance(value, list | tuple):
        return {name for inner in value for name in _types(inner)}
    return {type(value).__name__}
