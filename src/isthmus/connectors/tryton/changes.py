"""Where changes come from: the outbox module in Tryton, or the change dates of its records.

The outbox is gap-free and tells deletes. Change dates are the transaction's start, so a record can appear later with
an earlier date: they are read again for the last ``overlap`` seconds at each poll, and a transaction that lasts longer
than that is only found by a scan. Deletes never show there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from isthmus.connectors.tryton.rpc import Rpc
from isthmus.errors import Misconfigured, Unauthorized

__all__ = ["ALL", "Changed", "ChangedRows", "OutboxSource", "Source", "Watch", "WriteDateSource", "has_outbox"]

_ROWS = 1000
_OUTBOX = "model.isthmus.outbox"
ALL = "*"
"""As a record's model: everything may have changed (the outbox no longer reaches back far enough)."""

type Watch = Mapping[str, Mapping[str, str]]
"""Watched model -> its fields that lead to a parent -> model of that parent."""


class Changed(msgspec.Struct, frozen=True):
    """A changed row and the rows it belongs to, as (model, id)."""

    model: str
    record: int
    parents: Sequence[tuple[str, int]] = ()


class ChangedRows(msgspec.Struct, frozen=True):
    """Some changes, and the place to go on from."""

    rows: Sequence[Changed]
    cursor: str
    more: bool = False


class Source(Protocol):
    """Tells changed rows."""

    @property
    def tells_deletes(self) -> bool:
        """Whether a deleted row shows up."""

    async def now(self, watch: Watch) -> str:
        """The cursor of this moment."""

    async def rows(self, since: str, watch: Watch) -> ChangedRows:
        """Changes after ``since`` in the watched models, oldest first."""


class OutboxSource:
    """Reads the list of changes that the module ``isthmus_outbox`` keeps in Tryton."""

    tells_deletes = True

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def now(self, watch: Watch) -> str:
        """The outbox' position before every transaction that is still open."""
        answer = await self._rpc.call(f"{_OUTBOX}.changes", None, 1)
        return str(answer["cursor"])

    async def rows(self, since: str, watch: Watch) -> ChangedRows:
        """The next rows; a single row :data:`ALL` when the outbox was purged past ``since``."""
        answer = await self._rpc.call(f"{_OUTBOX}.changes", since, _ROWS)
        if answer.get("gap"):
            return ChangedRows([Changed(ALL, 0)], str(answer["cursor"]))
        rows = [
            Changed(row["model"], int(row["record"]), [_reference(parent) for parent in row["parents"]])
            for row in answer["rows"]
            if row["model"] in watch
        ]
        return ChangedRows(rows, str(answer["cursor"]), bool(answer["more"]))

    async def subscribe(self, url: str, secret: str) -> None:
        """Have signed hints sent to ``url``."""
        await self._rpc.call(f"{_OUTBOX}.subscribe", url, secret, safe=True)


async def has_outbox(rpc: Rpc) -> bool:
    """Whether the outbox module is there. Raises ``Unauthorized`` when it is but refuses us."""
    try:
        await rpc.call(f"{_OUTBOX}.changes", None, 1)
    except Unauthorized as error:
        raise Unauthorized(
            f"The outbox module refuses the hub's user: {error.message}",
            advice="Put the user into the group 'Isthmus Hub', or set changes = \"write_date\".",
        ) from error
    except Misconfigured:
        return False
    return True


class WriteDateSource:
    """Reads rows by their own change dates, again and again for the last ``overlap``."""

    tells_deletes = False

    def __init__(self, rpc: Rpc, overlap: dt.timedelta) -> None:
        self._rpc = rpc
        self._overlap = overlap
        self._closed: set[str] = set()

    async def now(self, watch: Watch) -> str:
        """The latest change date in the watched models (Tryton's clock, never ours)."""
        high = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        for model in watch:
            for row in await self._dated(model, [], 1, "DESC", ()):
                high = max(high, row["last_modified_at"])
        return high.isoformat()

    async def rows(self, since: str, watch: Watch) -> ChangedRows:
        """All rows changed since ``since`` less the overlap."""
        high = dt.datetime.fromisoformat(since)
        domain = [["last_modified_at", ">=", high - self._overlap]]
        dated: list[tuple[dt.datetime, Changed]] = []
        for model, parents in watch.items():
            found = await self._dated(model, domain, None, "ASC", tuple(parents))
            dated.extend((row["last_modified_at"], _changed(model, row, parents)) for row in found)
        dated.sort(key=lambda pair: pair[0])
        if dated:
            high = max(high, dated[-1][0])
        return ChangedRows([changed for _, changed in dated], high.isoformat())

    async def _dated(
        self, model: str, domain: Sequence[Any], limit: int | None, order: str, parents: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of a model by change date; none for a model that Tryton keeps from RPC (its parents are written too)."""
        if model in self._closed:
            return []
        try:
            found: list[dict[str, Any]] = await self._rpc.call(
                f"model.{model}.search_read",
                list(domain),
                0,
                limit,
                [["last_modified_at", order], ["id", order]],
                ["last_modified_at", *parents],
                context={"active_test": False},
            )
        except Unauthorized:
            self._closed.add(model)
            return []
        return found


def _changed(model: str, row: Mapping[str, Any], parents: Mapping[str, str]) -> Changed:
    belongs = []
    for field, parent in parents.items():
        value = row.get(field)
        if isinstance(value, str):
            if not value.endswith(",-1"):
                belongs.append(_reference(value))
        elif value is not None:
            belongs.append((parent, int(value)))
    return Changed(model, int(row["id"]), belongs)


def _reference(text: str) -> tuple[str, int]:
    model, _, record = text.rpartition(",")
    return model, int(record)
