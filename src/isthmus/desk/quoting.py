"""Quotes: their states, their positions, what was conceded, what has moved since, until when they hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus.desk.ordering import Asked, Difference, LineTruth, Truth
from isthmus.errors import NeedsPerson

__all__ = [
    "ACCEPTABLE",
    "OPEN",
    "REVISABLE",
    "STATES",
    "WantedLine",
    "agreed",
    "as_ordered",
    "conceded",
    "held",
    "holds_until",
    "lines_of",
    "next_number",
    "offered",
    "told_lines",
    "totals_of",
]

STATES = (
    *("requested", "draft", "approving", "sent", "accepted"),
    *("refused", "rejected", "expired", "replaced", "withdrawn"),
)
"""``requested``: somebody wants one. ``draft``: priced, not sent. ``approving``: whoever must approve is asked.
``refused``: they said no. ``sent``: the customer has it. ``accepted``: it is an order. ``rejected``: by the customer.
``replaced``: by its next version. ``withdrawn``: by us."""
OPEN = ("requested", "draft", "approving", "sent")
REVISABLE = ("draft", "approving", "refused", "sent", "rejected", "expired")
ACCEPTABLE = "sent"
PRICE = Decimal("0.0001")
"""Grain of prices that are offered."""
SHARE = Decimal("0.0001")
WHOLE = Decimal(1)


class WantedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be offered. ``unit_price`` None: at the ERP's own price."""

    sku: str
    quantity: Decimal
    unit_price: Decimal | None = None


def offered(asked: Asked, own: Truth, discount: Decimal) -> Asked:
    """What will be offered: prices that somebody named stand, all others are the ERP's own less ``discount`` (a
    share)."""
    lines = tuple(
        line
        if line.unit_price is not None
        else replace(line, unit_price=(_own(truth) * (WHOLE - discount)).quantize(PRICE))
        for line, truth in zip(asked.lines, own.lines, strict=True)
    )
    return replace(asked, lines=lines)


def agreed(asked: Asked, own: Truth) -> Truth | None:
    """The ERP's answer as it stands when all that is offered is what it would ask itself; None: it has to be asked what
    it makes of these prices."""
    if any(line.unit_price != truth.unit_price for line, truth in zip(asked.lines, own.lines, strict=True)):
        return None
    lines = tuple(replace(line, own_price=_own(line)) for line in own.lines)
    return replace(own, lines=lines)


def conceded(truth: Truth) -> Decimal:
    """The largest share by which a position is below the ERP's own price; zero when none is."""
    shares = [WHOLE - line.unit_price / own for line in truth.lines if (own := _own(line)) > 0]
    return max([Decimal(0), *shares]).quantize(SHARE)


def held(before: Truth, now: Truth) -> tuple[Difference, ...]:
    """The ERP's own prices that have moved while the quote holds: nothing that anybody must decide."""
    return tuple(
        Difference(what="own price", before=str(_own(old)), now=str(_own(new)), line=at, sku=new.sku)
        for at, (old, new) in enumerate(zip(before.lines, now.lines, strict=True), 1)
        if _own(old) != _own(new) and old.unit_price == new.unit_price
    )


def as_ordered(asked: Asked, promised: Truth, order: Mapping[str, Any]) -> tuple[Truth, tuple[Difference, ...]]:
    """What an order that was made without its quote comes to (``order``: its fields in the hub, as the ERP has them),
    in the place of what was promised, and where the two differ."""
    there: list[Mapping[str, Any]] = list(order.get("lines") or ())
    lines, found = [], []
    for at, (want, old) in enumerate(zip(asked.lines, promised.lines, strict=True), 1):
        line = there[at - 1] if at <= len(there) else None
        if line is None or line.get("product") != want.product:
            found.append(Difference(what="product", before=old.sku, now="–", line=at, sku=old.sku))
            lines.append(old)
            continue
        new = replace(
            old,
            quantity=Decimal(str(line.get("quantity") or 0)),
            unit_price=Decimal(str(line.get("unit_price") or 0)),
            amount=Decimal(str(line.get("amount") or 0)),
        )
        for what, before, now in (
            ("quantity", old.quantity, new.quantity),
            ("price", old.unit_price, new.unit_price),
        ):
            if before != now:
                found.append(Difference(what=what, before=str(before), now=str(now), line=at, sku=old.sku))
        lines.append(new)
    names = ("net_total", "tax_total", "total")
    net, tax, total = (Decimal(str((order.get(name) or {}).get("amount") or 0)) for name in names)
    if total != promised.total:
        found.append(Difference(what="total", before=str(promised.total), now=str(total)))
    return replace(promised, lines=tuple(lines), untaxed=net, tax=tax, total=total), tuple(found)


def lines_of(asked: Asked, truth: Truth) -> list[dict[str, Any]]:
    """Positions as the document keeps them."""
    return [
        {
            "id": str(at),
            "product": line.product,
            "quantity": line.quantity,
            "unit": said.unit,
            "list_price": said.list_price,
            "own_price": _own(said),
            "unit_price": said.unit_price,
            "discount": said.discount_rate,
            "amount": said.amount,
            "on_hand": said.on_hand,
            "available_on": said.date,
        }
        for at, (line, said) in enumerate(zip(asked.lines, truth.lines, strict=True), 1)
    ]


def totals_of(truth: Truth) -> dict[str, Any]:
    """Sums as the document keeps them."""
    sums = {"net_total": truth.untaxed, "discount_total": truth.discount, "tax_total": truth.tax, "total": truth.total}
    return {name: {"amount": amount, "currency": truth.currency} for name, amount in sums.items()}


def holds_until(text: str | None, now: datetime, *, days: int = 30) -> datetime:
    """Until when a quote holds: a day counts to its end (UTC), a moment is one; ``days`` from today when nothing is
    said. Raises :class:`NeedsPerson` for what is neither, or over already."""
    if text is None:
        return _end_of((now + timedelta(days=days)).date())
    try:
        until = _end_of(date.fromisoformat(text)) if len(text) == len("2026-11-30") else datetime.fromisoformat(text)
    except ValueError:
        raise NeedsPerson(f"'{text}' is no day.", field="valid_until", advice="Write it as 2026-11-30.") from None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    if until <= now:
        raise NeedsPerson(f"{text} is over already.", field="valid_until")
    return until


def next_number(original: str, version: int) -> str:
    """Number of a version: ``QU-2026-00001``, ``QU-2026-00001.2`` …"""
    return original if version == 1 else f"{original}.{version}"


def told_lines(lines: Sequence[Any], names: Any, currency: str) -> dict[str, str]:
    """Positions as a mail tells them: what → how much at which price."""
    return {
        f"{line['id']}. {names.get(line['product'], '')}": (
            f"{line['quantity']} {line['unit']} × {line['unit_price']} = {line['amount']} {currency}"
        )
        for line in lines
    }


def _own(line: LineTruth) -> Decimal:
    return line.unit_price if line.own_price is None else line.own_price


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), UTC)
