"""How resources write: one call for all creates of a batch, one for all updates, one reading of the outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from isthmus.connector import Create, Delete, Gone, Update, Write, WriteAnswer
from isthmus.connectors.tryton.batches import each
from isthmus.connectors.tryton.collection import Collection, Seen, number
from isthmus.connectors.tryton.guard import RowWrite, guarded
from isthmus.errors import IsthmusError, Rejected, UnknownOutcome

__all__ = ["WritableCollection", "after_effect", "as_row"]

_SKEW = timedelta(minutes=10)
"""How much Tryton's clock may be behind ours when a record is looked for by when it was made."""

type Outcome = int | Gone | IsthmusError
"""Id of what was written, or why nothing was."""


class WritableCollection(Collection):
    """A collection whose records are rows of :attr:`row_model` with parts written as commands of that row."""

    @property
    def row_model(self) -> str:
        """Model that is created and written."""
        return self.model

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteAnswer]:
        """Creates, updates and deletes of a batch, and the records as they are afterwards."""
        outcomes: dict[int, Outcome] = {}
        creates = {at: write for at, write in enumerate(writes) if isinstance(write, Create)}
        updates = [(at, write) for at, write in enumerate(writes) if isinstance(write, Update)]
        deletes = {at: write for at, write in enumerate(writes) if isinstance(write, Delete)}
        # An error raised by one kind of write says nothing about the other kinds, which may have been done.
        try:
            outcomes.update(zip(creates, await self.make(list(creates.values())), strict=True))
        except IsthmusError as error:
            outcomes.update(dict.fromkeys(creates, error))
        try:
            outcomes.update(await self.change(updates))
        except IsthmusError as error:
            outcomes.update({at: error for at, _ in updates})
        try:
            outcomes.update(zip(deletes, await self._remove(list(deletes.values())), strict=True))
        except IsthmusError as error:
            outcomes.update(dict.fromkeys(deletes, error))
        return await self._read_back([outcomes[at] for at in range(len(writes))])

    async def _read_back(self, outcomes: Sequence[Outcome]) -> list[WriteAnswer]:
        """The records as they are now. What was written but cannot be read has an unknown outcome."""
        try:
            found = await self.seen([outcome for outcome in outcomes if isinstance(outcome, int)])
        except IsthmusError as error:
            lost = after_effect(error)
            return [lost if isinstance(outcome, int) else outcome for outcome in outcomes]
        return [_answer(outcome, found) for outcome in outcomes]

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """Make records; their ids, or why not, in order. Raising means that nothing was made."""
        raise NotImplementedError

    async def change(self, updates: Sequence[tuple[int, Update]]) -> dict[int, Outcome]:
        """Change records, each only if it is still the one its update was planned from. Raising means that nothing
        was changed."""
        return await guarded(self, updates, self.plan, self.row_model)

    async def plan(self, update: Update, seen: Seen) -> RowWrite | None:
        """The row write of an update; None when there is nothing to write."""
        raise NotImplementedError

    async def remove(self, keys: Sequence[int]) -> None:
        """Delete records that exist."""
        await self.tryton.rpc.call(f"model.{self.model}.delete", list(keys), safe=False)

    async def make_rows(
        self, creates: Sequence[Create], values: Callable[[Create], Awaitable[dict[str, Any]]]
    ) -> list[int | IsthmusError]:
        """Create rows of :attr:`row_model` in one call; each row's values may themselves be refused."""
        if not creates:
            return []
        outcomes: list[int | IsthmusError] = [0] * len(creates)
        rows: list[tuple[int, dict[str, Any]]] = []
        for at, create in enumerate(creates):
            row = await as_row(values(create))
            if isinstance(row, IsthmusError):
                outcomes[at] = row
            else:
                rows.append((at, row))

        async def send(items: Sequence[tuple[int, dict[str, Any]]]) -> Sequence[int]:
            made: list[int] = await self.tryton.rpc.call(
                f"model.{self.row_model}.create", [row for _, row in items], safe=False
            )
            return made

        for (at, _), outcome in zip(rows, await each(rows, send), strict=True):
            outcomes[at] = outcome
        return outcomes

    async def seen_after(
        self, keys: Sequence[int], outcomes: dict[int, Outcome], at: Mapping[int, int]
    ) -> dict[int, Seen]:
        """Records in the middle of a write that has steps (key -> its place in ``outcomes`` by ``at``). Those that
        cannot be read now have an unknown outcome, and none is left to go on with."""
        try:
            return await self.seen(keys)
        except IsthmusError as error:
            outcomes.update({at[key]: after_effect(error) for key in keys})
            return {}

    async def press(
        self, button: str, stamps: Mapping[int, Mapping[str, str]], accept: Sequence[str] = ()
    ) -> dict[int, IsthmusError]:
        """Press a button on records as last seen (id -> time stamps); answers those it failed for. ``accept``: warnings
        that are answered with yes."""
        keys = sorted(stamps)

        async def send(some: Sequence[int]) -> Sequence[int]:
            seen = {name: stamp for key in some for name, stamp in stamps[key].items()}
            method = f"model.{self.row_model}.{button}"
            await self.tryton.rpc.call(method, list(some), context={"_timestamp": seen}, safe=False, accept=accept)
            return some

        answers = await each(keys, send)
        return {key: one for key, one in zip(keys, answers, strict=True) if isinstance(one, IsthmusError)}

    def made_by_us(self, since: datetime) -> list[list[Any]]:
        """Clauses for what our user made since then, give or take how much the two clocks may differ."""
        return [["create_uid", "=", self.tryton.rpc.user], ["create_date", ">=", since - _SKEW]]

    def own_currency(self, code: str | None) -> None:
        """Raise ``Rejected`` when amounts are in another currency than the company's, in which Tryton keeps them."""
        if code and code != self.tryton.currency:
            raise Rejected(f"Tryton keeps this in {self.tryton.currency}, not in {code}.", field="currency")

    async def _remove(self, deletes: Sequence[Delete]) -> list[Outcome]:
        there = await self.seen([identity for write in deletes if (identity := number(write.key)) is not None])
        present = sorted(there)

        async def send(keys: Sequence[int]) -> Sequence[int]:
            await self.remove(keys)
            return keys

        outcomes = dict(zip(present, await each(present, send), strict=True))
        failed = {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, IsthmusError)}
        return [failed.get(number(write.key) or 0, Gone(key=write.key)) for write in deletes]


def after_effect(error: IsthmusError) -> UnknownOutcome:
    """The error for a write that was done when something after it failed."""
    return UnknownOutcome(f"Written, but what came of it is not known: {error.message}")


async def as_row(values: Awaitable[dict[str, Any]]) -> dict[str, Any] | IsthmusError:
    """A row's values, or the refusal of one of them; values of a wrong type are refused too."""
    try:
        return await values
    except Rejected as error:
        return error
    except (TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as error:
        return Rejected(f"A value has not the form Tryton needs ({error}).")


def _answer(outcome: Outcome, found: Mapping[int, Seen]) -> WriteAnswer:
    if not isinstance(outcome, int):
        return outcome
    seen = found.get(outcome)
    return seen.record if seen else Gone(key=str(outcome))
