"""The one number by which tax offices know a party, among its identifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["tax_identifier", "with_tax_id"]

_MORE = frozenset(
    {"at_uid", "ch_uid", "us_ein", "us_tin", "ca_bn", "cn_uscc", "jp_cn", "in_gstin", "au_abn", "br_cnpj"}
)
"""Types besides ``*_vat`` that stand for a company towards the tax office."""
_BY_COUNTRY = {"GB": "gb_vat", "CH": "ch_uid", "US": "us_ein", "CN": "cn_vat", "JP": "jp_vat"}
"""As Tryton's selection names them: a number that serves as its country's VAT number is called ``*_vat`` there."""
_EU = frozenset("AT BE BG CY CZ DE DK EE EL ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI".split())
"""What European VAT numbers begin with."""


def tax_identifier(identifiers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first identifier of a tax type."""
    return next((one for one in identifiers if _is_tax(one["type"])), None)


def _is_tax(kind: str | None) -> bool:
    return kind is not None and (kind.endswith("_vat") or kind in _MORE)


def with_tax_id(
    identifiers: Sequence[Mapping[str, Any]], code: str | None, country: str | None
) -> list[Mapping[str, Any]]:
    """The identifiers with this tax number. An existing one keeps its type unless the number begins with another
    country's letters; a new one gets the type of those letters, else of the ``country`` (ISO alpha-2) of the address,
    else none."""
    there = tax_identifier(identifiers)
    others = [one for one in identifiers if one is not there]
    if not code:
        return others
    kind = _kind(code, country)
    if there is None:
        return [*others, {"type": kind, "code": code}]
    lettered = code[:2].isalpha() and code[:2].upper() != str(there["code"])[:2].upper()
    changed = {**there, "code": code, "type": kind if lettered and kind else there["type"]}
    return [changed if one is there else one for one in identifiers]


def _kind(code: str, country: str | None) -> str | None:
    letters = code[:2].upper()
    if letters in _EU:
        return "eu_vat"
    return _BY_COUNTRY.get(letters) or _BY_COUNTRY.get((country or "").upper())
