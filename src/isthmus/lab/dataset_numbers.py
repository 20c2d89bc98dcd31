"""Tax and company numbers with right check digits, so that an ERP that checks them accepts the lab's data.

Made by the rules that the issuing countries publish; none is meant to be the number of a real company.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

__all__ = ["TaxNumber", "tax_number"]

TaxNumber = tuple[str, str]
"""(kind of identifier as Tryton names it, the number itself)."""


def _digits(rng: Random, count: int) -> list[int]:
    return [rng.randint(1, 9), *(rng.randint(0, 9) for _ in range(count - 1))]


def _text(digits: Sequence[int]) -> str:
    return "".join(map(str, digits))


def _luhn(digits: Sequence[int]) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def _weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True))


def _germany(rng: Random) -> TaxNumber:
    digits = _digits(rng, 8)
    product = 10
    for digit in digits:  # ISO 7064, mod 11,10
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return "eu_vat", f"DE{_text(digits)}{(11 - product) % 10}"


def _france(rng: Random) -> TaxNumber:
    digits = _digits(rng, 8)
    siren = _text([*digits, _luhn(digits)])
    return "eu_vat", f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"


def _italy(rng: Random) -> TaxNumber:
    digits = [*_digits(rng, 7), 0, 1, 5]  # the last three: the office of the province of Milan
    return "eu_vat", f"IT{_text([*digits, _luhn(digits)])}"


def _britain(rng: Random) -> TaxNumber:
    digits = _digits(rng, 7)
    check = 97 - (_weighted(digits, (8, 7, 6, 5, 4, 3, 2)) + 55) % 97
    return "gb_vat", f"{_text(digits)}{check % 97:02d}"


def _switzerland(rng: Random) -> TaxNumber:
    while True:
        digits = _digits(rng, 8)
        check = -_weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4)) % 11
        if check < 10:
            return "ch_uid", f"CHE{_text([*digits, check])}"


def _china(rng: Random) -> TaxNumber:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = "91310115" + "".join(rng.choice(alphabet) for _ in range(9))
    weights = [3**place % 31 for place in range(17)]
    check = -_weighted([alphabet.index(sign) for sign in body], weights) % 31
    return "cn_vat", body + alphabet[check]


def _japan(rng: Random) -> TaxNumber:
    digits = _digits(rng, 12)
    check = 9 - _weighted(digits, (2, 1) * 6) % 9
    return "jp_vat", f"{check}{_text(digits)}"


def _america(rng: Random) -> TaxNumber:
    return "us_ein", f"{rng.choice((20, 26, 27, 45, 46, 47, 81, 82))}{_text(_digits(rng, 7))}"


_MAKERS: dict[str, Callable[[Random], TaxNumber]] = {
    "DE": _germany,
    "FR": _france,
    "IT": _italy,
    "GB": _britain,
    "CH": _switzerland,
    "CN": _china,
    "JP": _japan,
    "US": _america,
}


def tax_number(country: str, rng: Random) -> TaxNumber:
    """A number that passes the check of ``country`` (ISO 3166-1 alpha-2, one of the lab's countries)."""
    return _MAKERS[country](rng)
