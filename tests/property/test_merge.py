"""The three-way merge, over all values (I2, I3, I4)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.merge import ABSENT, MERGE_RULES, Verdict, decide, merge_values
from isthmus.model.flow import FieldRule

PLAIN = FieldRule(name="f", exprs={})
VALUES = (ABSENT, None, "a", "b", "c")
texts = st.sampled_from(["a", "b", "c", "d"])
elements = st.lists(st.one_of(texts, st.fixed_dictionaries({"n": texts})), max_size=4, unique_by=str)
numbers = st.one_of(st.none(), st.integers(-5, 5).map(str))
INPUTS = {"elements": elements, "union": elements, "max": numbers, "min": numbers, "any": st.booleans()}


def applied(decision, base, hub, far):
    """(base, hub, far) after the verdict was carried out and the hub's value was written."""
    match decision.verdict:
        case Verdict.TAKE:
            return far, far, far
        case Verdict.AGREE:
            return far, hub, far
        case Verdict.KEEP | Verdict.PUSH:
            return hub, hub, hub
        case Verdict.MERGE:
            return decision.value, decision.value, decision.value
        case _:
            return base, hub, far


@pytest.mark.spec(3)
@pytest.mark.parametrize(("base", "hub", "far"), list(itertools.product(VALUES, repeat=3)))
def test_the_table(base, hub, far):
    verdict = decide(base, hub, far, rule=PLAIN, system="s").verdict
    if far is ABSENT:
        assert verdict in (Verdict.NOTHING, Verdict.PUSH)
    elif base is ABSENT:
        if hub is ABSENT:
            wanted = Verdict.TAKE
        elif hub == far:
            wanted = Verdict.AGREE
        elif hub is None:
            wanted = Verdict.TAKE
        elif far is None:
            wanted = Verdict.KEEP
        else:
            wanted = Verdict.CONFLICT
        assert verdict is wanted
    else:
        moved_hub = hub is not ABSENT and hub != base
        if far == base:
            wanted = Verdict.PUSH if moved_hub else Verdict.NOTHING
        elif not moved_hub:
            wanted = Verdict.TAKE
        else:
            wanted = Verdict.AGREE if hub == far else Verdict.CONFLICT
        assert verdict is wanted


@pytest.mark.spec(4)
@pytest.mark.parametrize(("hub", "far"), list(itertools.product(VALUES, repeat=2)))
@pytest.mark.parametrize("writers", [(), ("s",), ("other",)])
@pytest.mark.parametrize("owner", [None, "s", "other"])
def test_null_overwrites_nothing_at_first_contact(hub, far, writers, owner):
    rule = FieldRule(name="f", exprs={}, writers=writers, owner=owner)
    _, new_hub, new_far = applied(decide(ABSENT, hub, far, rule=rule, system="s", first="s"), ABSENT, hub, far)
    if hub not in (None, ABSENT):
        assert new_hub is not None
    if far not in (None, ABSENT):
        assert new_far is not None


@pytest.mark.spec(4)
@pytest.mark.parametrize(("owner", "first"), list(itertools.product([None, "s", "other"], repeat=2)))
def test_an_empty_list_overwrites_nothing_at_first_contact(owner, first):
    rule = FieldRule(name="f", exprs={}, owner=owner)
    for hub, far in (([], ["a"]), (["a"], [])):
        decision = decide(ABSENT, hub, far, rule=rule, system="s", first=first)
        assert applied(decision, ABSENT, hub, far)[1:] == (["a"], ["a"])


@pytest.mark.spec(3)
@pytest.mark.parametrize(("base", "hub", "far"), list(itertools.product(VALUES, repeat=3)))
@pytest.mark.parametrize("first", [None, "s", "t"])
def test_an_edit_is_lost_only_by_a_rule(base, hub, far, first):
    """Without owner, writers or merge rule a value that either side changed is never replaced by another edit."""
    decision = decide(base, hub, far, rule=PLAIN, system="s", first=first)
    if base is ABSENT or hub in (ABSENT, base) or far in (ABSENT, base) or hub == far:
        return
    assert decision.verdict is Verdict.CONFLICT


@pytest.mark.spec(2)
@pytest.mark.parametrize(("base", "hub", "far"), list(itertools.product(VALUES[1:], repeat=3)))
@pytest.mark.parametrize("owner", [None, "s", "t"])
@pytest.mark.parametrize("writers", [(), ("s",), ("t",)])
def test_carried_out_once_there_is_nothing_left_to_do(base, hub, far, owner, writers):
    rule = FieldRule(name="f", exprs={}, owner=owner, writers=writers)
    decision = decide(base, hub, far, rule=rule, system="s")
    again = decide(*applied(decision, base, hub, far), rule=rule, system="s")
    assert again.verdict is (Verdict.CONFLICT if decision.verdict is Verdict.CONFLICT else Verdict.NOTHING)


@pytest.mark.spec(3)
@pytest.mark.parametrize(("base", "hub", "far"), list(itertools.product(VALUES[1:], repeat=3)))
def test_who_may_not_set_a_field_changes_nothing_in_the_hub(base, hub, far):
    rule = FieldRule(name="f", exprs={}, writers=("t",))
    decision = decide(base, hub, far, rule=rule, system="s")
    assert decision.verdict in (Verdict.NOTHING, Verdict.PUSH, Verdict.KEEP, Verdict.AGREE)


@pytest.mark.spec(3)
@pytest.mark.parametrize("name", list(MERGE_RULES))
@given(data=st.data())
def test_merging_is_symmetric_and_equal_values_stay(name, data):
    base, hub, far = (data.draw(INPUTS[name]) for _ in range(3))
    merged = merge_values(name, base, hub, far)
    assert merged == merge_values(name, base, far, hub)
    same = merge_values(name, base, hub, hub)
    key = (lambda v: sorted(map(str, v))) if isinstance(hub, list) else (lambda v: v)
    assert key(same) == key(hub)


@pytest.mark.spec(3)
@pytest.mark.parametrize("name", list(MERGE_RULES))
@given(data=st.data())
def test_both_sides_converge_in_any_order(name, data):
    """Two systems that changed one field from the same base: whichever is seen first, all three end equal."""
    base, one, two = (data.draw(INPUTS[name]) for _ in range(3))
    rule = FieldRule(name="f", exprs={}, merge=name)
    ends = []
    for order in (("x", "y"), ("y", "x")):
        far, bases, hub = {"x": one, "y": two}, {"x": base, "y": base}, base
        for system in [*order, *order, *order]:
            decision = decide(bases[system], hub, far[system], rule=rule, system=system)
            bases[system], hub, far[system] = applied(decision, bases[system], hub, far[system])
        assert far["x"] == far["y"] == hub
        ends.append(hub)
    key = (lambda v: sorted(map(str, v))) if isinstance(base, list) else (lambda v: v)
    assert key(ends[0]) == key(ends[1])


@pytest.mark.spec(2)
@given(base=elements, hub=elements, far=elements)
def test_elements_lose_no_addition_and_keep_no_removal(base, hub, far):
    merged = [str(e) for e in merge_values("elements", base, hub, far)]
    was, ours, theirs = ({str(e) for e in x} for x in (base, hub, far))
    assert set(merged) == ((ours | theirs) - was) | (was & ours & theirs)
    assert len(merged) == len(set(merged))
