"""Months of repairs, levels and fees: laws for any repairs reported at any time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.desk.repairing import Accounts, LevelRule, RepairRules, fee_of, level_of
from isthmus.desk.settling import (
    Repair,
    charges,
    counts_on,
    cut_off,
    due_on,
    following,
    period_of,
    previous_period,
    to_settle,
    total,
)

ZONE = "Asia/Shanghai"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> list[Repair]:
    """Repairs in the order they are reported, corrections among them, each correcting the latest of its kind."""
    made: list[Repair] = []
    latest: list[int] = []
    at = BEGIN
    for number in range(draw(st.integers(1, 12))):
        at += timedelta(hours=draw(st.integers(0, 900)))
        fee = draw(st.decimals(0, 500, places=2))
        fixes = draw(st.none() | st.sampled_from(latest)) if latest else None
        made.append(
            Repair(
                id=f"r{number}",
                number=f"R{number:03d}",
                station="s",
                repaired_on=at.date() - timedelta(days=draw(st.integers(0, 40))),
                reported_at=at,
                currency="EUR",
                level="any",
                fee=fee,
                corrects=None if fixes is None else f"r{fixes}",
                withdrawn=fixes is not None and draw(st.booleans()),
            )
        )
        if fixes is not None:
            latest.remove(fixes)
        latest.append(number)
    return made


@given(histories())
def test_every_repair_is_settled_once_and_nothing_is_lost_or_paid_twice(repairs: list[Repair]) -> None:
    """Month after month is settled with what was reported until then; at the end the sum is what is true at last."""
    by_id = {one.id: one for one in repairs}
    settled: dict[str, str] = {}
    paid = Decimal(0)
    period = period_of(BEGIN.date() - timedelta(days=45))
    for _ in range(24):
        # A month is reported on the fifth of the next.
        reported_by = datetime.combine(cut_off(period) + timedelta(days=5), datetime.min.time(), UTC)
        there = [
            Repair(**{name: getattr(one, name) for name in one.__struct_fields__} | {"settlement": settled.get(one.id)})
            for one in repairs
            if one.reported_at <= reported_by
        ]
        taken = to_settle(there, period, ZONE)
        assert all(counts_on(one, ZONE) <= cut_off(period) for one in taken)
        assert not {one.id for one in taken} & set(settled)
        settled |= {one.id: period for one in taken}
        paid += total(charges(taken, by_id))
        period = following(period)
    assert set(settled) == set(by_id)
    corrected = {one.corrects for one in repairs}
    assert paid == sum((one.worth for one in repairs if one.id not in corrected), Decimal(0))


@given(histories())
def test_a_correction_is_never_in_an_earlier_month_than_what_it_corrects(repairs: list[Repair]) -> None:
    by_id = {one.id: one for one in repairs}
    for one in repairs:
        if one.corrects is not None:
            assert period_of(counts_on(one, ZONE)) >= period_of(counts_on(by_id[one.corrects], ZONE))


@given(st.integers(2000, 2100), st.integers(1, 12), st.integers(1, 31))
def test_a_month_ends_the_day_before_the_next_begins(year: int, month: int, day: int) -> None:
    period = f"{year}-{month:02d}"
    last = cut_off(period)
    assert period_of(last) == period
    assert period_of(last + timedelta(days=1)) == following(period)
    due = due_on(period, day)
    assert period_of(due) == following(period)
    assert due.day == day or due == cut_off(following(period))


def test_the_month_ends_at_the_companys_midnight() -> None:
    moment = datetime(2026, 10, 31, 17, 0, tzinfo=UTC)  # one in the morning in Shanghai
    assert previous_period(moment, ZONE) == "2026-10"
    assert previous_period(moment, "Europe/Berlin") == "2026-09"
    assert (cut_off("2026-10"), due_on("2026-10", 10)) == (date(2026, 10, 31), date(2026, 11, 10))
    assert previous_period(datetime(2026, 1, 15, tzinfo=UTC), ZONE) == "2025-12"


@pytest.mark.parametrize("text", ["2026-13", "2026-0", "26-01", "october", "2026-1", ""])
def test_what_is_no_month_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no month"):
        cut_off(text)


RULES = RepairRules(
    time_zone=ZONE,
    due_day=10,
    accounts=Accounts(expense="1", payable="2"),
    fees={"major": {"EUR": Decimal("80.50"), "CNY": Decimal(600)}, "medium": {"EUR": Decimal(35)}, "minor": {}},
    rules=(
        LevelRule(level="major", methods=frozenset({"overhaul"})),
        LevelRule(level="major", parts=frozenset({"MTR-1"}), pieces=Decimal(2)),
        LevelRule(level="medium", pieces=Decimal(1)),
        LevelRule(level="minor", methods=frozenset({"adjustment"})),
    ),
)


def test_the_first_rule_that_fits_gives_the_level() -> None:
    assert level_of(RULES, "overhaul", {}) == "major"
    assert level_of(RULES, "replacement", {"MTR-1": Decimal(1), "SEAL": Decimal(1)}) == "major"
    assert level_of(RULES, "replacement", {"MTR-1": Decimal(1)}) == "medium"
    assert level_of(RULES, "adjustment", {}) == "minor"
    assert level_of(RULES, "adjustment", {"SEAL": Decimal(0)}) == "minor"
    assert level_of(RULES, "cleaning", {}) is None
    assert (fee_of(RULES, "major", "EUR"), fee_of(RULES, "medium", "CNY"), fee_of(RULES, "none", "EUR")) == (
        Decimal("80.50"),
        None,
        None,
    )


@given(
    st.dictionaries(st.sampled_from(["MTR-1", "SEAL", "NUT"]), st.decimals(0, 5, places=0)),
    st.sampled_from(["overhaul", "replacement", "adjustment"]),
)
def test_a_part_more_never_lowers_a_level(parts: dict[str, Decimal], method: str) -> None:
    """With rules from the dearest to the cheapest, as in this table."""
    order = ["major", "medium", "minor", None]
    more = {**parts, "MTR-1": parts.get("MTR-1", Decimal(0)) + 1}
    assert order.index(level_of(RULES, method, more)) <= order.index(level_of(RULES, method, parts))
