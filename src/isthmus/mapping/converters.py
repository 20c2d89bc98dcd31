"""Converters: named pairs of *get* (far value to hub value) and *put* (hub value to far value).

A converter that loses something (``lowercase``) is safe: a field is written only if ``get(far)`` differs from what is
wanted, so a lossy pair never causes a needless write (SPEC 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import phonenumbers
from babel import Locale

from isthmus.errors import Unmappable
from isthmus.model.fields import FieldType, Kind, decimal_text
from isthmus.model.flow import Convert

__all__ = ["Converter", "converted", "converter_for", "converter_names", "default_put"]


class Converter(msgspec.Struct, frozen=True):
    """A pair of functions over single non-null values."""

    get: Callable[[Any], Any]
    put: Callable[[Any], Any]


def converted(function: Callable[[Any], Any], value: Any) -> Any:
    """What a converter makes of a value. Whatever it cannot digest is :class:`Unmappable`: one odd value must not stop
    a whole page, also in a project's own converter."""
    try:
        return function(value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unmappable(f"{str(value)[:40]!r} cannot be converted ({type(error).__name__}: {error}).") from error


def _same(value: Any) -> Any:
    return value


def _digits(value: Any) -> str:
    return "".join(c for c in str(value) if c.isdigit())


def _compact(value: Any) -> str:
    """Without what people put between the signs of a number: tax numbers, account numbers."""
    return "".join(c for c in str(value).upper() if c.isalnum())


def _lower(value: Any) -> str:
    return str(value).strip().lower()


def _upper(value: Any) -> str:
    return str(value).strip().upper()


def _phone(region: str | None) -> Callable[[Any], str]:
    def get(value: Any) -> str:
        """E.164 where the number is complete; otherwise the text as it is, so that nothing is lost."""
        text = str(value).strip()
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return text
        if not phonenumbers.is_possible_number(number):
            return text
        shown = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return f"{shown} ext {number.extension}" if number.extension else shown

    return get


_TERRITORIES: Mapping[str, str] = {
    str(name).casefold(): code
    for language in ("en", "de", "zh")
    for code, name in Locale(language).territories.items()
    if len(code) == 2
}


def _country(value: Any) -> str:
    """ISO 3166 alpha-2 from a code or a country's name."""
    text = str(value).strip()
    if len(text) == 2 and text.isascii() and text.isalpha():
        return text.upper()
    code = _TERRITORIES.get(text.casefold())
    if code is None:
        raise Unmappable(f"{text[:40]!r} is not a country.", advice="Use the ISO code of two letters.")
    return code


def _currency(value: Any) -> str:
    text = str(value).strip().upper()
    if len(text) != 3 or not text.isascii() or not text.isalpha():
        raise Unmappable(f"{text[:20]!r} is not a currency.", advice="Use the ISO 4217 code of three letters.")
    return text


def _summary(value: Any) -> str:
    """One readable line per order line or list price, for systems that have no better place."""
    lines = []
    for line in value or []:
        parts = [str(line.get("description") or line.get("list") or line.get("product") or "?")]
        if line.get("min_quantity") is not None:
            parts.append(f"from {line['min_quantity']}")
        if isinstance(line.get("price"), dict):
            parts.append(f"{line['price']['amount']} {line['price']['currency']}")
        parts += [
            f"{'ordered' if name == 'quantity' else name} {line[name]}"
            for name in ("quantity", "shipped", "returned", "open", "invoiced", "credited")
            # Nothing came back of most lines, and that needs no word.
            if line.get(name) is not None and (name not in ("returned", "credited") or Decimal(str(line[name])))
        ]
        if line.get("unit_price") is not None:
            parts.append(f"at {line['unit_price']}")
        lines.append(" · ".join(parts))
    return "\n".join(lines)


def _choice(convert: Convert) -> Converter:
    to_hub, to_far = dict(convert.pairs), {hub: far for far, hub in reversed(convert.pairs)}

    def get(value: Any) -> str:
        text = str(value)
        if text not in to_hub:
            raise Unmappable(f"'{text[:40]}' is not one of {', '.join(to_hub)}.")
        return to_hub[text]

    def put(value: Any) -> str:
        if str(value) not in to_far:
            raise Unmappable(f"'{str(value)[:40]}' has no counterpart (known: {', '.join(to_far)}).")
        return to_far[str(value)]

    return Converter(get, put)


_PLAIN: Mapping[str, Converter] = {
    "text": Converter(_same, _same),
    "lowercase": Converter(_lower, _lower),
    "uppercase": Converter(_upper, _upper),
    "digits": Converter(_digits, _digits),
    "compact": Converter(_compact, _same),
    "country": Converter(_country, _country),
    "language": Converter(lambda v: str(v).replace("_", "-").split("-")[0].lower(), _same),
    "currency": Converter(_currency, _currency),
    "integer": Converter(_same, _same),
    "decimal": Converter(_same, lambda v: Decimal(v)),
    "date": Converter(_same, _same),
    "instant": Converter(_same, _same),
    "boolean": Converter(_same, _same),
    "summary": Converter(_same, _summary),
}


def converter_names() -> tuple[str, ...]:
    """All built-in names, for checks and help."""
    return (*_PLAIN, "phone", "choice", "ref")


def converter_for(convert: Convert, own: Mapping[str, Converter]) -> Converter:
    """The converter named by an expression; ``own`` are the project's. ``ref`` is the lens's own business."""
    if convert.name in own:
        return own[convert.name]
    if convert.name == "choice":
        return _choice(convert)
    if convert.name == "phone":
        return Converter(_phone(convert.args[0] if convert.args else None), _same)
    if convert.name == "decimal" and convert.args:
        places = Decimal(1).scaleb(-int(convert.args[0]))
        return Converter(_same, lambda v: Decimal(v).quantize(places))
    return _PLAIN[convert.name]


def default_put(kind: FieldType, value: Any) -> Any:
    """Canonical to far value where no converter says otherwise: numbers become exact numbers again."""
    if value is None:
        return None
    if kind.kind is Kind.DECIMAL:
        return Decimal(decimal_text(value))
    return value
