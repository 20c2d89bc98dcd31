"""Hints of the outbox module: "look at these records now", signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from isthmus.connector import Hint
from isthmus.errors import Rejected, Unauthorized

__all__ = ["read_hint", "sign"]

_OLDEST = timedelta(minutes=5)
_RESOURCES: Mapping[str, tuple[str, ...]] = {
    "party.party": ("party", "contact"),
    "party.address": ("party",),
    "party.contact_mechanism": ("party", "contact"),
    "party.identifier": ("party",),
    "product.template": ("product",),
    "product.product": ("product",),
    "product.cost_price": ("product",),
    "product.cost_price.revision": ("product",),
    "product.price_list": ("price_list", "product"),
    "product.price_list.line": ("price_list", "product"),
    "stock.move": ("product", "shipment", "sale"),
    "stock.shipment.out": ("shipment", "sale"),
    "sale.sale": ("sale", "party"),
    "sale.line": ("sale",),
    "account.invoice": ("invoice", "payment", "sale"),
    "account.move.line": ("invoice", "payment", "party"),
    "account.move.reconciliation": ("invoice", "payment"),
}
"""Which resources may look different after a change in a model."""
_KEYED = {
    "party.party": "party",
    "product.product": "product",
    "product.price_list": "price_list",
    "sale.sale": "sale",
    "stock.shipment.out": "shipment",
    "account.invoice": "invoice",
}
"""Models whose ids are the keys of a resource: the hint then names the record."""


class _Body(msgspec.Struct):
    database: str
    records: list[tuple[str, int]]
    more: bool = False


def read_hint(
    headers: Mapping[str, str], body: bytes, now: datetime, *, secret: str | None, database: str
) -> Sequence[Hint]:
    """Check the signature, then say where to look. Raises ``Unauthorized`` and ``Rejected``."""
    if not secret:
        raise Unauthorized("Hints are refused: no hint_secret is configured.")
    _check(headers.get("x-isthmus-signature", ""), body, now, secret)
    try:
        hint = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected("The hint's body cannot be read.") from error
    if hint.database != database:
        raise Rejected("The hint is of another database.")
    if hint.more:
        return [Hint(resource=name) for name in sorted({name for names in _RESOURCES.values() for name in names})]
    keys: dict[str, set[str]] = {}
    whole: set[str] = set()
    for model, record in hint.records:
        for resource in _RESOURCES.get(model, ()):
            if _KEYED.get(model) == resource and model != "product.price_list":
                keys.setdefault(resource, set()).add(str(record))
            else:
                whole.add(resource)
    hints = [Hint(resource=name) for name in sorted(whole)]
    hints += [Hint(resource=name, keys=sorted(keys[name])) for name in sorted(keys) if name not in whole]
    return hints


def _check(signature: str, body: bytes, now: datetime, secret: str) -> None:
    parts = dict(part.partition("=")[::2] for part in signature.split(","))
    at, given = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdigit() and len(at) < 12) or not given.isascii():
        raise Unauthorized("The hint is not signed.")
    if not hmac.compare_digest(sign(secret, at, body), given):
        raise Unauthorized("The hint's signature is wrong.", advice="Do hint_secret and the subscription agree?")
    if abs(now.timestamp() - int(at)) > _OLDEST.total_seconds():
        raise Unauthorized("The hint is too old, or the clocks differ by minutes.")


def sign(secret: str, at: str, body: bytes) -> str:
    """HMAC-SHA256 over time and body, in hexadecimal digits."""
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
