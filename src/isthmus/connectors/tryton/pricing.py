"""Prices of products as Tryton itself computes them for the configured price lists."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from isthmus.connectors.tryton.batches import each
from isthmus.connectors.tryton.codec import quantity
from isthmus.connectors.tryton.installation import Installation, PriceList
from isthmus.errors import IsthmusError, Misconfigured

__all__ = ["price_lists", "prices"]


async def price_lists(tryton: Installation) -> list[PriceList]:
    """The configured price lists with the quantities from which they may change a price, in configured order.

    Raises ``Misconfigured`` for a name that Tryton has not.
    """
    wanted = tryton.config.price_lists
    if not wanted:
        return []
    rows = await tryton.rpc.call(
        "model.product.price_list.search_read",
        [["name", "in", list(wanted)]],
        0,
        None,
        [["id", "ASC"]],
        ["name", "lines.quantity"],
        context={"active_test": False},
    )
    found = {}
    for row in rows:
        breaks = {Decimal(1), *(line["quantity"] for line in row["lines."] if line["quantity"])}
        found[row["name"]] = PriceList(
            int(row["id"]), row["name"], tuple(str(at) for at in sorted(map(Decimal, breaks)))
        )
    if missing := [name for name in wanted if name not in found]:
        raise Misconfigured(f"Tryton has no price list '{missing[0]}'.", advice="Correct price_lists in isthmus.toml.")
    return [found[name] for name in wanted]


async def prices(tryton: Installation, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Product id -> prices, each with list, min_quantity and amount; a quantity that changes nothing is left out.

    A product whose price cannot be computed (a formula that fails for it) has no price in that list.
    """
    result: dict[int, list[dict[str, Any]]] = {}
    if not ids:
        return result
    for price_list in await price_lists(tryton):
        last: dict[int, Decimal] = {}
        for at in price_list.breaks:
            for product, amount in (await _computed(tryton, ids, price_list.id, at)).items():
                if last.get(product) != amount:
                    last[product] = amount
                    priced = {"list": price_list.name, "min_quantity": Decimal(at), "amount": amount}
                    priced["currency"] = tryton.currency
                    result.setdefault(product, []).append(priced)
    return result


async def _computed(tryton: Installation, ids: Sequence[int], price_list: int, at: str) -> dict[int, Decimal]:
    async def send(some: Sequence[int]) -> Sequence[dict[str, Any]]:
        rows: list[dict[str, Any]] = await tryton.rpc.call(
            "model.product.product.read",
            list(some),
            ["sale_price_uom"],
            context={"price_list": price_list, "quantity": quantity(at), "active_test": False},
        )
        by_id = {row["id"]: row for row in rows}
        return [by_id[one] for one in some]

    answers = await each(ids, send)
    amounts: dict[int, Decimal] = {}
    for product, answer in zip(ids, answers, strict=True):
        if not isinstance(answer, IsthmusError):
            if answer["sale_price_uom"] is not None:
                amounts[product] = answer["sale_price_uom"]
        elif not _refused(answer):
            raise answer
    return amounts


def _refused(error: IsthmusError) -> bool:
    return error.code == "rejected"
