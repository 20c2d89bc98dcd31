"""When a quantity can be promised, against the meaning of the words written out day by day."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.connectors.tryton.promising import first_day

TODAY = date(2031, 5, 6)
DAYS = st.one_of(st.none(), st.integers(-3, 6).map(lambda days: TODAY + timedelta(days=days)))
MOVES = st.lists(st.tuples(DAYS, st.integers(-9, 9).map(Decimal)), max_size=6)


@settings(derandomize=True, deadline=None, max_examples=300, database=None)
@given(on_hand=st.integers(0, 20).map(Decimal), moves=MOVES, quantity=st.integers(1, 20).map(Decimal))
def test_taken_on_the_first_day_nobody_is_short_afterwards_and_a_day_earlier_somebody_is(
    on_hand: Decimal, moves: list[tuple[date | None, Decimal]], quantity: Decimal
) -> None:
    def level(day: date) -> Decimal:
        known = [(when or (TODAY if amount < 0 else date.max), amount) for when, amount in moves]
        return on_hand + sum((amount for when, amount in known if when <= day), Decimal(0))

    horizon = [TODAY + timedelta(days=days) for days in range(8)]
    good = [day for at, day in enumerate(horizon) if all(level(later) >= quantity for later in horizon[at:])]
    assert first_day(on_hand, moves, quantity, TODAY) == (good[0] if good else None)
