"""Updates that change nothing when the record moved since they were planned.

Tryton compares time stamps only of the rows a call writes. So the whole record is read and compared with the version
the update was planned from, and the stamps just read guard the write: what changed before the reading shows in the
version, what changes after it is caught by Tryton for every row that is written, and rows that are not written are
not overwritten either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from isthmus.connector import Gone, Update
from isthmus.connectors.tryton.batches import each
from isthmus.connectors.tryton.collection import Collection, Seen, number
from isthmus.errors import IsthmusError, Stale

__all__ = ["RowWrite", "guarded"]

type RowWrite = tuple[int, dict[str, Any]]
"""Id of the row and its new values; parts of a record are written as commands of one row."""


class _Planned(msgspec.Struct, frozen=True):
    at: int
    key: int
    row: RowWrite | None
    seen: Seen


async def guarded(
    collection: Collection,
    updates: Sequence[tuple[int, Update]],
    plan: Callable[[Update, Seen], Awaitable[RowWrite | None]],
    model: str,
) -> dict[int, int | IsthmusError | Gone]:
    """Perform updates in one write call on ``model``; position -> the record's id, or why not."""
    answers: dict[int, int | IsthmusError | Gone] = {}
    there = await collection.seen([identity for _, write in updates if (identity := number(write.key)) is not None])
    there |= await _reactivate(collection, updates, there, model)
    planned: list[_Planned] = []
    taken: set[int] = set()
    for at, write in updates:
        identity = number(write.key)
        seen = there.get(identity) if identity is not None else None
        if seen is None or identity is None:
            answers[at] = Gone(key=write.key)
        elif identity in taken or (write.before.version is not None and seen.record.version != write.before.version):
            answers[at] = Stale("The record was changed in Tryton in the meantime.")
        else:
            taken.add(identity)
            try:
                planned.append(_Planned(at, identity, await plan(write, seen), seen))
            except IsthmusError as error:
                answers[at] = error

    async def send(items: Sequence[_Planned]) -> Sequence[int]:
        await _write(collection, items, model)
        return [item.key for item in items]

    for item, answer in zip(planned, await each(planned, send), strict=True):
        answers[item.at] = answer
    return answers


async def _reactivate(
    collection: Collection, updates: Sequence[tuple[int, Update]], there: Mapping[int, Seen], model: str
) -> dict[int, Seen]:
    """Activate what an update activates and changes otherwise too: Tryton lets nobody change an inactive record, not
    even in the call that activates it. Answers the activated records under the version they had before."""
    asleep: list[tuple[int, Seen]] = []
    for _, write in updates:
        seen = there.get(number(write.key) or 0)
        if seen is None or seen.record.fields.get("active", True) or len(write.fields) == 1:
            continue
        if write.fields.get("active") and write.before.version in (None, seen.record.version):
            asleep.append((int(write.key), seen))

    async def send(items: Sequence[tuple[int, Seen]]) -> Sequence[int]:
        rows = [collection.activation(seen) for _, seen in items]
        stamps = {name: stamp for _, seen in items for name, stamp in seen.stamps.items()}
        await _send(collection, model, rows, stamps)
        return [key for key, _ in items]

    done = [key for key in await each(asleep, send) if isinstance(key, int)]
    versions = {key: seen.record.version for key, seen in asleep}
    return {
        key: msgspec.structs.replace(seen, record=msgspec.structs.replace(seen.record, version=versions[key]))
        for key, seen in (await collection.seen(done)).items()
    }


async def _write(collection: Collection, items: Sequence[_Planned], model: str) -> None:
    rows = [item.row for item in items if item.row is not None]
    stamps = {name: stamp for item in items for name, stamp in item.seen.stamps.items()}
    await _send(collection, model, rows, stamps)


async def _send(collection: Collection, model: str, rows: Sequence[RowWrite], stamps: Mapping[str, str]) -> None:
    pairs: list[Any] = [part for identity, values in rows for part in ([identity], values)]
    if pairs:
        await collection.tryton.rpc.call(
            f"model.{model}.write", *pairs, context={"_timestamp": stamps, "active_test": False}, safe=False
        )
