"""Months of repairs: when one ends, what is in its settlement, and what it comes to. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

__all__ = [
    "Charge",
    "Repair",
    "charges",
    "counts_on",
    "cut_off",
    "due_on",
    "following",
    "period_of",
    "previous_period",
    "to_settle",
    "total",
]


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """A repair as it is settled. ``corrects``: the id of an earlier one that this one puts right; ``withdrawn``: that
    one was no repair at all, or this one is none."""

    id: str
    number: str
    station: str
    repaired_on: date
    reported_at: datetime
    currency: str
    level: str
    fee: Decimal
    corrects: str | None = None
    withdrawn: bool = False
    settlement: str | None = None

    @property
    def worth(self) -> Decimal:
        """What it is worth itself."""
        return Decimal(0) if self.withdrawn else self.fee


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a settlement: a repair's fee, or what a correction changes; then ``corrects`` is the number of the
    repair that is put right."""

    repair: str
    number: str
    station: str
    level: str
    amount: Decimal
    corrects: str | None = None


def period_of(day: date) -> str:
    """The month of a day, as ``2026-10``."""
    return f"{day.year:04d}-{day.month:02d}"


def previous_period(now: datetime, time_zone: str) -> str:
    """The month that ended last where the company is."""
    today = now.astimezone(ZoneInfo(time_zone)).date()
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    return f"{year:04d}-{month:02d}"


def following(period: str) -> str:
    """The month after this one."""
    year, month = _parts(period)
    return f"{year + 1:04d}-01" if month == 12 else f"{year:04d}-{month + 1:02d}"


def cut_off(period: str) -> date:
    """The last day of a month. Raises ``ValueError`` for what is no month."""
    year, month = _parts(period)
    return date(year, month, calendar.monthrange(year, month)[1])


def due_on(period: str, due_day: int) -> date:
    """The day by which a month is to be reported."""
    year, month = _parts(following(period))
    return date(year, month, min(due_day, calendar.monthrange(year, month)[1]))


def counts_on(repair: Repair, time_zone: str) -> date:
    """The day that decides in which month a repair is settled: of a correction, when it was reported."""
    if repair.corrects is None:
        return repair.repaired_on
    return repair.reported_at.astimezone(ZoneInfo(time_zone)).date()


def to_settle(repairs: Sequence[Repair], period: str, time_zone: str) -> list[Repair]:
    """What a settlement of this month takes in: everything up to its last day that no settlement has yet. What was
    reported after its own month was closed is thereby in the next one."""
    last = cut_off(period)
    return [one for one in repairs if one.settlement is None and counts_on(one, time_zone) <= last]


def charges(repairs: Sequence[Repair], known: Mapping[str, Repair]) -> tuple[Charge, ...]:
    """Lines for these repairs, by number. ``known`` has every repair that one of them corrects; the latest correction
    of a repair counts against the one before it."""
    made = []
    for repair in sorted(repairs, key=lambda one: (one.number, one.id)):
        amount, corrects = repair.worth, None
        if repair.corrects is not None:
            before = known[repair.corrects]
            amount, corrects = repair.worth - before.worth, before.number
        made.append(
            Charge(
                repair=repair.id,
                number=repair.number,
                station=repair.station,
                level=repair.level,
                amount=amount,
                corrects=corrects,
            )
        )
    return tuple(made)


def total(lines: Sequence[Charge]) -> Decimal:
    """What they come to."""
    return sum((line.amount for line in lines), Decimal(0))


def _parts(period: str) -> tuple[int, int]:
    year, _, month = period.partition("-")
    if not (len(year) == 4 and len(month) == 2 and year.isdigit() and month.isdigit() and 1 <= int(month) <= 12):
        raise ValueError(f"'{period}' is no month such as 2026-10")
    return int(year), int(month)
