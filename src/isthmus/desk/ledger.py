"""What happened to an order, line by line: from ordered to paid. Pure, and always balanced:

* goods: ``ordered + over == shipped + allocated + open + cancelled``; ``shipped + over_returned == kept + returned``
* bills, in quantity: ``to_bill == shipped - returned - (invoiced - credited)``, negative for what is billed ahead, or
  came back and is not credited yet; ``invoiced + over_credited == charged + credited``
* money: per line ``billed == paid + due``, with the payments of each invoice spread over its lines to the last cent;
  what the documents themselves do not say alike is shown as ``unexplained`` and never adjusted.

Documents name products, not lines of the order: of two lines of one product the first is served first. What came back
or was credited counts after everything that was sent or billed, whichever document was made first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.desk.ordering import ORDERED

__all__ = ["Ledger", "LedgerLine", "ledger_of", "spread", "surplus"]

_ALLOCATED = frozenset({"assigned", "picked", "packed"})
_SHIPPED = frozenset({"shipped", "done"})
_RECEIVED = frozenset({"received", "done"})
_ENDED = frozenset({"cancelled", "done", "withdrawn"})
_UNPOSTED = frozenset({"draft", "validated", "cancelled"})
ZERO = Decimal(0)


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Quantities are in the order's unit; ``billed``, ``paid`` and ``due`` are money without tax where the
    invoice has it apart. ``delivered`` of what was shipped has arrived, as far as the ERP says so. ``kept`` and
    ``charged`` are what the customer has and what it is to pay for; ``over_returned`` came back although it was never
    sent for this order, ``over_credited`` was credited although it was never billed."""

    product: str | None
    name: str
    ordered: Decimal
    confirmed: Decimal
    allocated: Decimal
    shipped: Decimal
    delivered: Decimal
    returned: Decimal
    kept: Decimal
    over_returned: Decimal
    open: Decimal
    cancelled: Decimal
    over: Decimal
    invoiced: Decimal
    credited: Decimal
    charged: Decimal
    over_credited: Decimal
    to_bill: Decimal
    billed: Decimal
    paid: Decimal
    due: Decimal


def surplus(line: LedgerLine) -> list[str]:
    """What is to be looked at by somebody, in words: more came back or was credited than there was."""
    found = []
    if line.over_returned:
        found.append(f"{line.name}: {line.over_returned} came back that were not sent by this order")
    if line.over_credited:
        found.append(f"{line.name}: {line.over_credited} are credited that were not billed")
    return found


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """All lines and the money of the whole order. ``billed`` is invoices less credit notes with tax, ``paid`` the
    payments the hub knows of, ``reported_due`` what the ERP says is open; ``unexplained`` is what is missing between
    them. ``beside``: goods and bills of products that the order does not have."""

    currency: str | None
    lines: tuple[LedgerLine, ...]
    billed: Decimal
    paid: Decimal
    reported_due: Decimal
    unexplained: Decimal
    beside: tuple[str, ...]


class _Row:
    """A line while documents are counted."""

    def __init__(self, product: str | None, ordered: Decimal) -> None:
        self.product, self.ordered = product, ordered
        self.allocated = self.shipped = self.delivered = self.returned = ZERO
        self.invoiced = self.credited = self.billed = self.paid = ZERO


def ledger_of(
    order: Mapping[str, Any],
    deliveries: Sequence[Mapping[str, Any]],
    invoices: Sequence[Mapping[str, Any]],
    payments: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
) -> Ledger:
    """The ledger of an order from the fields of its documents. ``names``: product -> what people call it."""
    # What was placed counts until the ERP has its own lines.
    rows = [
        _Row(line.get("product"), _number(line.get("quantity")))
        for line in order.get("lines") or order.get("ordered") or ()
    ]
    beside: list[str] = []
    for back in (False, True):
        for delivery in deliveries:
            _count_delivery(rows, delivery, beside, names, back=back)
        for invoice in invoices:
            _count_invoice(rows, invoice, beside, names, credit=back)
    billed = sum((_amount(one.get("total")) for one in invoices if one.get("state") not in _UNPOSTED), ZERO)
    paid = sum((_amount(one.get("amount")) for one in payments), ZERO)
    reported = sum((_amount(one.get("open_amount")) for one in invoices if one.get("state") not in _UNPOSTED), ZERO)
    _spread_payments(rows, billed, paid)
    state = str(order.get("state") or "")
    confirmed = state in ORDERED or (state == "" and order.get("lines") is not None and bool(order.get("confirmed")))
    return Ledger(
        currency=next((one["total"]["currency"] for one in (order, *invoices) if one.get("total")), None),
        lines=tuple(_line(row, names, confirmed=confirmed, ended=state in _ENDED) for row in rows),
        billed=billed,
        paid=paid,
        reported_due=reported,
        unexplained=billed - paid - reported,
        beside=tuple(beside),
    )


def _line(row: _Row, names: Mapping[str, str], *, confirmed: bool, ended: bool) -> LedgerLine:
    left = row.ordered - row.shipped - row.allocated
    over, rest = max(ZERO, -left), max(ZERO, left)
    return LedgerLine(
        product=row.product,
        name=names.get(row.product or "", row.product or "–"),
        ordered=row.ordered,
        confirmed=row.ordered if confirmed else ZERO,
        allocated=row.allocated,
        shipped=row.shipped,
        delivered=row.delivered,
        returned=row.returned,
        kept=max(ZERO, row.shipped - row.returned),
        over_returned=max(ZERO, row.returned - row.shipped),
        open=ZERO if ended else rest,
        cancelled=rest if ended else ZERO,
        over=over,
        invoiced=row.invoiced,
        credited=row.credited,
        charged=max(ZERO, row.invoiced - row.credited),
        over_credited=max(ZERO, row.credited - row.invoiced),
        to_bill=row.shipped - row.returned - (row.invoiced - row.credited),
        billed=row.billed,
        paid=row.paid,
        due=row.billed - row.paid,
    )


def _count_delivery(
    rows: list[_Row], delivery: Mapping[str, Any], beside: list[str], names: Mapping[str, str], *, back: bool
) -> None:
    """The lines that were sent, or those that came ``back``."""
    state = delivery.get("state")
    if state not in (_RECEIVED if back else _ALLOCATED | _SHIPPED):
        return
    for line in delivery.get("lines") or ():
        quantity = _number(line.get("quantity"))
        if (quantity < 0) != back:
            continue
        own = _rows_of(rows, line, beside, names, "delivered")
        if back:
            for row, part in _shares(own, -quantity, lambda row: row.shipped - row.returned):
                row.returned += part
        elif state in _ALLOCATED:
            for row, part in _shares(own, quantity, lambda row: row.ordered - row.shipped - row.allocated):
                row.allocated += part
        else:
            for row, part in _shares(own, quantity, lambda row: row.ordered - row.shipped - row.allocated):
                row.shipped += part
                row.delivered += part if state == "done" else ZERO


def _count_invoice(
    rows: list[_Row], invoice: Mapping[str, Any], beside: list[str], names: Mapping[str, str], *, credit: bool
) -> None:
    """The lines that were billed, or those that were credited."""
    if invoice.get("state") in _UNPOSTED:
        return
    for line in invoice.get("lines") or ():
        quantity, amount = _number(line.get("quantity")), _number(line.get("amount"))
        if (quantity < 0 or amount < 0) != credit:
            continue
        own = _rows_of(rows, line, beside, names, "invoiced")
        room = (lambda row: row.invoiced - row.credited) if credit else (lambda row: row.ordered - row.invoiced)
        shares = _shares(own, abs(quantity), room)
        parts = spread(amount, [part for _, part in shares])
        for (row, part), money in zip(shares, parts, strict=True):
            row.billed += money
            if credit:
                row.credited += part
            else:
                row.invoiced += part


def _rows_of(
    rows: list[_Row], line: Mapping[str, Any], beside: list[str], names: Mapping[str, str], what: str
) -> list[_Row]:
    product = line.get("product")
    own = [row for row in rows if row.product == product]
    if not own:
        called = names.get(product or "", product or str(line.get("description") or "–"))
        beside.append(f"{called}: {_number(line.get('quantity'))} {what}")
    return own


def _shares(rows: Sequence[_Row], quantity: Decimal, room: Any) -> list[tuple[_Row, Decimal]]:
    """The quantity over the rows, the first served first; what is more than all have room for is the last one's."""
    found: list[tuple[_Row, Decimal]] = []
    left = quantity
    for at, row in enumerate(rows):
        part = left if at == len(rows) - 1 else min(left, max(ZERO, room(row)))
        if part or (at == len(rows) - 1 and not found):
            found.append((row, part))
        left -= part
    return found


def _spread_payments(rows: Sequence[_Row], billed: Decimal, paid: Decimal) -> None:
    """What was paid, as its share of what is billed with tax, over the lines by their amounts."""
    net = sum((row.billed for row in rows), ZERO)
    if not billed or not net:
        return
    share = (net * paid / billed).quantize(_grain([row.billed for row in rows]))
    for row, part in zip(rows, spread(share, [row.billed for row in rows]), strict=True):
        row.paid = part


def spread(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """The amount by weights, such that the parts come to exactly the amount: each is cut to the amount's own grain
    (cents at least), and the last one with a weight takes what is left."""
    whole = sum(weights, ZERO)
    if not weights:
        return []
    if not whole:
        return [amount, *(ZERO for _ in weights[1:])]
    grain = _grain([amount])
    parts = [(amount * weight / whole).quantize(grain) for weight in weights]
    last = max(at for at, weight in enumerate(weights) if weight)
    parts[last] += amount - sum(parts, ZERO)
    return parts


def _grain(amounts: Sequence[Decimal]) -> Decimal:
    exponents = [int(amount.as_tuple().exponent) for amount in amounts]
    return Decimal(1).scaleb(min([-2, *exponents]))


def _number(value: Any) -> Decimal:
    return ZERO if value in (None, "") else Decimal(str(value))


def _amount(money: Any) -> Decimal:
    return _number(money.get("amount")) if isinstance(money, Mapping) else ZERO
