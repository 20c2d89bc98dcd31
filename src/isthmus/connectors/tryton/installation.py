"""What the resources of one open Tryton share: calls, names, and facts read once at opening."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from isthmus.connectors.tryton.names import Names
from isthmus.connectors.tryton.rpc import Rpc
from isthmus.errors import Misconfigured

if TYPE_CHECKING:
    from isthmus.connectors.tryton.changes import Source
    from isthmus.connectors.tryton.config import TrytonConfig

__all__ = ["Installation", "PriceList", "survey"]


class PriceList(msgspec.Struct, frozen=True):
    """A price list whose prices are read, and the quantities from which its prices change."""

    id: int
    name: str
    breaks: tuple[str, ...]


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """One open Tryton: fixed facts of its company, and the ways to call it."""

    rpc: Rpc
    config: TrytonConfig
    names: Names
    source: Source
    company: int
    currency: str
    """ISO 4217 code of the company's currency."""
    warehouse: int | None
    own_parties: frozenset[int]
    """Parties that are companies of this Tryton themselves, and so nobody's customers."""
    modules: frozenset[str]
    """Names of the activated modules that make a difference."""

    def has(self, module: str) -> bool:
        """Whether a module is activated."""
        return module in self.modules


async def survey(rpc: Rpc, company: int | None, warehouse: str | None) -> tuple[int, str, int | None, frozenset[int]]:
    """Company, its currency's code, the warehouse, and the companies' own parties; by what was configured or the only
    one there is.

    Raises ``Misconfigured``.
    """
    own = rpc.context.get("company")
    chosen = company if company is not None else own
    companies = await rpc.call(
        "model.company.company.search_read", [], 0, 100, None, ["id", "rec_name", "party", "currency.code"]
    )
    names = ", ".join(f"{row['id']} ({row['rec_name']})" for row in companies)
    found = next((row for row in companies if row["id"] == chosen), None)
    if found is None:
        raise Misconfigured(
            f"The hub's user in Tryton works for no company {chosen if chosen is not None else ''}".rstrip() + ".",
            advice=f"Set 'company' to one of: {names or 'none is visible to this user'}.",
        )
    domain: list[Sequence[str]] = [["type", "=", "warehouse"]]
    if warehouse:
        domain.append(["code", "=", warehouse])
    houses = await rpc.call("model.stock.location.search_read", domain, 0, 2, [["id", "ASC"]], ["id", "code"])
    if warehouse and not houses:
        raise Misconfigured(f"Tryton has no warehouse with the code '{warehouse}'.")
    parties = frozenset(int(row["party"]) for row in companies if row["party"] is not None)
    return int(found["id"]), str(found["currency."]["code"]), int(houses[0]["id"]) if houses else None, parties
