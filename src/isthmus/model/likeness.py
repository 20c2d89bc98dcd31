"""Whether a value may be how a system keeps another one, or must be somebody's edit."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from isthmus.model.fields import Canonical

__all__ = ["may_be_kept_as"]


def may_be_kept_as(wanted: Canonical, shown: Canonical) -> bool:
    """Whether a system that was given ``wanted`` may show ``shown`` by itself: rounded or cut off, in other case or
    with other spaces. Structs and lists part by part; parts that are not shown say nothing."""
    if wanted == shown:
        return True
    if isinstance(wanted, dict) and isinstance(shown, dict):
        return all(may_be_kept_as(wanted.get(name), part) for name, part in shown.items())
    if isinstance(wanted, list) and isinstance(shown, list):
        return len(wanted) == len(shown) and all(map(may_be_kept_as, wanted, shown))
    if not isinstance(wanted, str) or not isinstance(shown, str):
        return False
    given, kept = _number(wanted), _number(shown)
    if given is not None and kept is not None:
        exponent = kept.as_tuple().exponent
        assert isinstance(exponent, int)
        return abs(given - kept) < Decimal(1).scaleb(exponent)
    return _plain(wanted).startswith(_plain(shown))


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _plain(value: Any) -> str:
    return "".join(str(value).casefold().split())
