"""Journal entries in Tryton's books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from isthmus.connector.accounting import Entries, EntryAsked, EntryStanding, EntryState
from isthmus.connector.logistics import References
from isthmus.connectors.tryton.codec import date_of
from isthmus.connectors.tryton.collection import needed
from isthmus.connectors.tryton.installation import Installation
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Journal"]

_READ = ("number", "state", "date", "description", "lines.debit", "lines.credit")


class Journal:
    """The operations about the books. Tryton has no field for a foreign reference: the description holds it, first."""

    def __init__(self, tryton: Installation) -> None:
        self._tryton = tryton

    async def post(self, asked: EntryAsked) -> EntryStanding:
        """An entry, posted; one of this reference that is there is answered, or posted when it was only begun.

        Raises ``Rejected``: unbalanced, an account or open period is missing, or it is there with another total.
        """
        lines = await self._lines(asked)
        wanted = sum((line["debit"] for line in lines), Decimal(0))
        there = await self._rows([["description", "=", asked.reference], ["origin", "=", None]])
        if not there:
            await self._create(asked, lines)
            there = await self._rows([["description", "=", asked.reference], ["origin", "=", None]])
        counts = next((row for row in there if row["state"] == "posted"), there[0])
        for row in there:
            if row is not counts and row["state"] == "draft":
                await self._discard(int(row["id"]))
        if _total(counts) != wanted:
            raise Rejected(
                f"Tryton has an entry {asked.reference} over {_total(counts)} already, and not {wanted}.",
                field="lines",
                advice="Cancel that entry in Tryton, or correct the document here.",
            )
        if counts["state"] == "draft":
            await self._tryton.rpc.call("model.account.move.post", [counts["id"]], safe=False)
        (found,) = (await self.standing(References(references=(asked.reference,)))).entries
        return found

    async def standing(self, asked: References) -> Entries:
        """Entries with these references; one that another entry takes back is cancelled."""
        rows = await self._rows([["description", "in", list(asked.references)], ["origin", "=", None]])
        undone = await self._undone([int(row["id"]) for row in rows])
        chosen: dict[str, Mapping[str, Any]] = {}
        for row in rows:
            known = chosen.get(row["description"])
            if known is None or (known["state"], row["state"]) == ("draft", "posted"):
                chosen[row["description"]] = row
        return Entries(entries=tuple(_standing(row, undone.get(int(row["id"]))) for row in chosen.values()))

    async def _undone(self, ids: Sequence[int]) -> dict[int, str]:
        """Ids of entries that posted entries take back, with the numbers of those."""
        if not ids:
            return {}
        origins = [f"account.move,{id}" for id in ids]
        rows = await self._tryton.rpc.call(
            "model.account.move.search_read",
            [["origin", "in", origins], ["state", "=", "posted"]],
            0,
            None,
            [["id", "ASC"]],
            ["origin", "number"],
        )
        return {int(row["origin"].partition(",")[2]): str(row["number"]) for row in rows}

    async def _lines(self, asked: EntryAsked) -> list[dict[str, Any]]:
        if asked.currency != self._tryton.currency:
            raise Rejected(f"The books are kept in {self._tryton.currency}, not in {asked.currency}.", field="currency")
        if sum((line.amount for line in asked.lines), Decimal(0)) or not any(line.amount for line in asked.lines):
            raise Rejected("The lines of an entry must come to zero, and not all be zero.", field="lines")
        zero = Decimal(0)
        own = [["company", "=", self._tryton.company]]
        return [
            {
                "account": await self._tryton.names.need(
                    "account.account", "code", line.account, ours="lines", what="account", domain=own
                ),
                "debit": line.amount if line.amount > 0 else zero,
                "credit": -line.amount if line.amount < 0 else zero,
                "party": None if line.party is None else needed(line.party, "lines", "party"),
                "description": line.description or None,
            }
            for line in asked.lines
        ]

    async def _create(self, asked: EntryAsked, lines: list[dict[str, Any]]) -> None:
        rpc, day = self._tryton.rpc, date_of(asked.date)
        own = ["company", "=", self._tryton.company]
        periods = await rpc.call(
            "model.account.period.search_read",
            [["start_date", "<=", day], ["end_date", ">=", day], ["type", "=", "standard"], own],
            0,
            1,
            None,
            ["name", "state"],
        )
        if not periods:
            raise Rejected(f"Tryton has no accounting period for {asked.date}.", field="date")
        if periods[0]["state"] != "open":
            raise Rejected(
                f"The period {periods[0]['name']} is {periods[0]['state']} in Tryton.",
                field="date",
                advice="Open it there, or choose a later date.",
            )
        where = ["code", "=", asked.journal] if asked.journal else ["type", "=", "general"]
        journals = await rpc.call("model.account.journal.search_read", [where], 0, 1, [["id", "DESC"]], ["id"])
        if not journals:
            raise Rejected(f"Tryton has no journal {asked.journal or 'for general entries'}.", field="journal")
        values = {
            "company": self._tryton.company,
            "period": periods[0]["id"],
            "journal": journals[0]["id"],
            "date": day,
            "description": asked.reference,
            "lines": [["create", lines]],
        }
        await rpc.call("model.account.move.create", [values], safe=False)

    async def _discard(self, id: int) -> None:
        """A second draft of the same entry, which a request that was taken for lost has left."""
        try:
            await self._tryton.rpc.call("model.account.move.delete", [id], safe=False)
        except IsthmusError:
            # Somebody else has taken it in hand: then it is a person's.
            return

    async def _rows(self, domain: Sequence[Any]) -> list[dict[str, Any]]:
        own = ["company", "=", self._tryton.company]
        found: list[dict[str, Any]] = await self._tryton.rpc.call(
            "model.account.move.search_read", [*domain, own], 0, None, [["id", "ASC"]], list(_READ)
        )
        return found


def _total(row: Mapping[str, Any]) -> Decimal:
    return sum((line["debit"] for line in row["lines."]), Decimal(0))


def _standing(row: Mapping[str, Any], undone_by: str | None) -> EntryStanding:
    state = EntryState.CANCELLED if undone_by else EntryState(row["state"])
    return EntryStanding(
        key=str(row["id"]),
        reference=row["description"],
        number=row["number"],
        state=state,
        date=row["date"].isoformat(),
        total=_total(row),
        cancelled_by=undone_by,
    )
