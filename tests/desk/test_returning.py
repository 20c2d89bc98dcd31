"""Differences of returns."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from isthmus.desk.returning import Blame, Counted, Responsible, differences, unsettled

amounts = st.decimals(0, 100, places=2)
lines = st.lists(st.tuples(amounts, amounts), max_size=6).map(
    lambda pairs: [Counted(id=str(at), sent=sent, counted=counted) for at, (sent, counted) in enumerate(pairs, 1)]
)


@given(lines)
def test_differences_are_what_counting_changes(counted: list[Counted]) -> None:
    found = {one.id: one.amount for one in differences(counted)}
    for line in counted:
        assert line.sent + found.get(line.id, Decimal(0)) == line.counted
    assert Decimal(0) not in found.values()


@given(lines, st.sampled_from(Responsible))
def test_a_return_goes_on_exactly_when_every_difference_has_somebody_and_evidence(
    counted: list[Counted], who: Responsible
) -> None:
    blames = {one.id: Blame(responsible=who, evidence="photo 17") for one in differences(counted)}
    assert unsettled(counted, blames) == ()
    for id in blames:
        assert unsettled(counted, {**blames, id: Blame(responsible=who, evidence=" ")})
        assert unsettled(counted, {other: blame for other, blame in blames.items() if other != id})


def test_blame_for_nothing_is_refused() -> None:
    line = Counted(id="1", sent=Decimal(3), counted=Decimal(3))
    (told,) = unsettled([line], {"1": Blame(responsible=Responsible.CARRIER, evidence="x")})
    assert "as it was sent" in told
