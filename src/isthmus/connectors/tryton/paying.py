"""Tryton's payment wizard, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from isthmus.connectors.tryton.codec import date_of
from isthmus.connectors.tryton.collection import needed
from isthmus.connectors.tryton.installation import Installation
from isthmus.errors import IsthmusError, Misconfigured, Rejected

__all__ = ["pay"]

_WIZARD = "wizard.account.invoice.pay"


async def pay(tryton: Installation, fields: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """Record one payment; the entry's description ends with ``mark``. Answers what was given to the wizard.

    Raises ``Rejected`` when the invoice is not open or less than the amount is left to pay.
    """
    invoice = needed(fields.get("invoice"), "invoice", "invoice")
    amount = await _payable(tryton, invoice, fields.get("amount"), fields.get("currency"))
    context = {"active_model": "account.invoice", "active_id": invoice, "active_ids": [invoice]}
    session, *_ = await tryton.rpc.call(f"{_WIZARD}.create")
    try:
        shown = await tryton.rpc.call(f"{_WIZARD}.execute", session, {}, "start", context=context)
        start = {**shown["view"]["defaults"], "amount": amount}
        start["payment_method"] = await _method(tryton, fields.get("method"))
        start["description"] = f"{fields.get('description') or ''} {mark}".strip()
        start["date"] = date_of(fields.get("date")) or start.get("date")
        start = {name: value for name, value in start.items() if not name.endswith(".")}
        data: dict[str, Any] = {"start": start}
        answer = await tryton.rpc.call(f"{_WIZARD}.execute", session, data, "choice", context=context, safe=False)
        if view := (answer or {}).get("view"):
            asked = {name: value for name, value in view["defaults"].items() if not name.endswith(".")}
            data["ask"] = {**asked, "type": "partial"}
            await tryton.rpc.call(f"{_WIZARD}.execute", session, data, "pay", context=context, safe=False)
    finally:
        await _forget(tryton, session)
    return start


async def _payable(tryton: Installation, invoice: int, wanted: Any, currency: str | None) -> Decimal:
    rows = await tryton.rpc.call(
        "model.account.invoice.search_read",
        [["id", "=", invoice], ["type", "=", "out"]],
        0,
        1,
        None,
        ["number", "state", "amount_to_pay", "currency.digits", "currency.code"],
    )
    if not rows:
        raise Rejected(f"Tryton has no customer invoice {invoice}.", field="invoice")
    row = rows[0]
    name = row["number"] or f"draft {invoice}"
    if row["state"] != "posted":
        raise Rejected(f"Invoice {name} is {row['state']}: only a posted one can be paid.", field="invoice")
    if currency and currency != row["currency."]["code"]:
        raise Rejected(f"Invoice {name} is in {row['currency.']['code']}, not in {currency}.", field="currency")
    amount = Decimal(str(wanted)) if wanted is not None else row["amount_to_pay"]
    cent = Decimal(1).scaleb(-int(row["currency."]["digits"]))
    if not amount.is_finite() or amount == 0 or amount != amount.quantize(cent):
        raise Rejected(f"{amount} is no amount of that currency.", field="amount")
    if amount.copy_sign(1) > abs(row["amount_to_pay"]) or amount * row["amount_to_pay"] < 0:
        raise Rejected(
            f"{amount} is more than what is left to pay of invoice {name}: {row['amount_to_pay']}.", field="amount"
        )
    return amount.quantize(cent)


async def _method(tryton: Installation, name: str | None) -> int:
    """Id of the payment method: by name, as configured, or the only one."""
    model = "account.invoice.payment.method"
    wanted = name or tryton.config.payment_method
    own = [["company", "=", tryton.company]]
    if wanted:
        found = await tryton.names.find(model, "name", wanted, own)
        if found is not None:
            return found
        if name:
            # The other system's word for the way of payment: Tryton's own is as good as any.
            return await _method(tryton, None)
        raise Misconfigured(
            f"Tryton has no payment method '{wanted}'.", advice="Correct payment_method in isthmus.toml."
        )
    rows = await tryton.rpc.call(f"model.{model}.search_read", own, 0, 2, None, ["id"])
    if len(rows) != 1:
        raise Rejected(
            "Which payment method? Tryton has several or none.", field="method", advice="Set payment_method."
        )
    return int(rows[0]["id"])


async def _forget(tryton: Installation, session: Any) -> None:
    try:
        await tryton.rpc.call(f"{_WIZARD}.delete", session)
    except IsthmusError:
        # The payment is made or not made; Tryton itself clears abandoned wizard sessions.
        return
