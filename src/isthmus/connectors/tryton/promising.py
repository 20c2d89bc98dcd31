"""From when a quantity can be promised: what is in stock, what is to come and what is to go. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

__all__ = ["Movement", "first_day"]

type Movement = tuple[dt.date | None, Decimal]
"""Day and quantity: positive comes, negative goes. Without a day, what comes is not counted, what goes is at once."""


def first_day(on_hand: Decimal, movements: Sequence[Movement], quantity: Decimal, today: dt.date) -> dt.date | None:
    """The first day from ``today`` on that leaves enough for everything that is to go afterwards; None when there is
    none. What should have come already is expected today, as the ERP itself does."""
    stock = on_hand
    steps: dict[dt.date, Decimal] = {}
    for day, amount in movements:
        if day is None and amount > 0:
            continue
        at = max(day or today, today)
        steps[at] = steps.get(at, Decimal(0)) + amount
    stock += steps.pop(today, Decimal(0))
    days = [today, *sorted(steps)]
    levels = [stock]
    for day in days[1:]:
        levels.append(levels[-1] + steps[day])
    return _first(days, levels, quantity)


def _first(days: Sequence[dt.date], levels: Iterable[Decimal], quantity: Decimal) -> dt.date | None:
    found: dt.date | None = None
    lowest: Decimal | None = None
    for day, level in zip(reversed(days), reversed(list(levels)), strict=True):
        lowest = level if lowest is None else min(lowest, level)
        if lowest < quantity:
            break
        found = day
    return found
