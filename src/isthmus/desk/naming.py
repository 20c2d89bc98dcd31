"""Finding items by the names that people call them, and by their states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation

from isthmus.desk.ports import BusinessHub
from isthmus.errors import Ambiguous, NeedsPerson
from isthmus.model.state import Item

__all__ = ["amounts", "customer", "document", "in_states", "name_of", "named", "product", "products", "skus_of", "unit"]

EVERY = 100_000
"""Documents of one state that are looked at."""


async def named(hub: BusinessHub, entity: str, fields: Sequence[str], text: str) -> Item:
    """The one item of this entity that is called so. Raises :class:`NeedsPerson`, :class:`Ambiguous`."""
    known = (await hub.items([text])).get(text)
    if known is not None and known.entity == entity and known.deleted_at is None:
        return known
    for field in fields:
        found = await hub.find(entity, field, text)
        if len(found) > 1:
            raise Ambiguous(
                f"There are {len(found)} {entity}s whose {field} is '{text}'.", advice="Name one by its id."
            )
        if found:
            return found[0]
    raise NeedsPerson(f"There is no {entity} '{text}'.", field=entity.lower())


async def unit(hub: BusinessHub, text: str) -> Item:
    """A unit of the organisation."""
    return await named(hub, "OrganisationUnit", ("number", "name"), text)


async def product(hub: BusinessHub, text: str) -> Item:
    """A product."""
    return await named(hub, "Product", ("sku",), text)


async def products(hub: BusinessHub, texts: Collection[str]) -> dict[str, Item]:
    """Products by what people call each of them. Raises as :func:`named`."""
    known = {
        text: one
        for text, one in (await hub.items(set(texts))).items()
        if one.entity == "Product" and one.deleted_at is None
    }
    by_sku = await hub.find_all("Product", "sku", {text for text in texts if text not in known})
    for text in texts:
        if text not in known:
            found = by_sku.get(text, [])
            # One too many or none: that says who may say it.
            known[text] = found[0] if len(found) == 1 else await product(hub, text)
    return known


async def customer(hub: BusinessHub, text: str) -> Item:
    """A customer."""
    return await named(hub, "Customer", ("number", "name", "tax_id"), text)


async def document(hub: BusinessHub, entity: str, text: str) -> Item:
    """A document by its number."""
    return await named(hub, entity, ("number",), text)


async def in_states(hub: BusinessHub, entity: str, states: Sequence[str], known: Sequence[str]) -> list[Item]:
    """Documents in these states, or in any when none is given. Raises :class:`NeedsPerson` for an unknown one."""
    for state in states:
        if state not in known:
            raise NeedsPerson(f"'{state}' is no state of a {entity}.", advice=f"Use one of {', '.join(known)}.")
    return [one for state in states or known for one in await hub.find(entity, "state", state, EVERY)]


async def name_of(hub: BusinessHub, id: str) -> str:
    """What a unit is called; empty when it is gone."""
    found = (await hub.items([id])).get(id)
    return str(found.fields.get("name")) if found is not None else ""


async def skus_of(hub: BusinessHub, document: Item) -> dict[str, str]:
    """Product -> SKU, for all lines of a document."""
    products = await hub.items({line["product"] for line in document.fields.get("lines") or ()})
    return {id: str(one.fields.get("sku") or id) for id, one in products.items()}


def amounts(words: Sequence[str], what: str = "SKU") -> list[tuple[str, Decimal]]:
    """``NAME=NUMBER`` as people write it. Raises :class:`NeedsPerson`."""
    found = []
    for word in words:
        name, sign, number = word.rpartition("=")
        try:
            amount = Decimal(number)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not sign or not name or not amount.is_finite() or amount < 0:
            raise NeedsPerson(f"'{word}' is not {what}=NUMBER.", field="lines")
        found.append((name, amount))
    return found
