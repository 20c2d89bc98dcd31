"""One field, one observation: what to do, given base (last agreed), hub and far (SPEC 2, 3, 4).

=========  =========  =========  ==================================================================
far/base   hub/base   far/hub    verdict
=========  =========  =========  ==================================================================
absent     -          -          NOTHING: no information
=          =          =          NOTHING: in step
=          differs    differs    PUSH: the hub has news for this system
differs    =          differs    TAKE, or KEEP when this system may not set the field (written back)
differs    differs    =          AGREE: both came to the same
differs    differs    differs    owner -> TAKE or KEEP, merge rule -> MERGE, else CONFLICT
=========  =========  =========  ==================================================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from isthmus.merge.rules import merge_values
from isthmus.model.fields import Canonical
from isthmus.model.flow import FieldRule

__all__ = ["ABSENT", "Decision", "Verdict", "decide", "may_set"]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final[Any] = _Absent()
"""Nothing is known of the value."""


class Verdict(StrEnum):
    """What an observation of one field comes to."""

    NOTHING = "nothing"
    AGREE = "agree"
    """base := far."""
    TAKE = "take"
    """hub := far, base := far."""
    KEEP = "keep"
    """base := far, hub stays and is written to the system."""
    PUSH = "push"
    """Nothing new here; the hub's value is still to be written."""
    MERGE = "merge"
    """hub := ``value``, base := far."""
    CONFLICT = "conflict"
    """Frozen until a person decides."""


class Decision(msgspec.Struct, frozen=True):
    """Verdict and, for MERGE, the new hub value."""

    verdict: Verdict
    value: Canonical = None


_NOTHING, _AGREE, _TAKE = Decision(Verdict.NOTHING), Decision(Verdict.AGREE), Decision(Verdict.TAKE)
_KEEP, _PUSH, _CONFLICT = Decision(Verdict.KEEP), Decision(Verdict.PUSH), Decision(Verdict.CONFLICT)


def decide(base: Any, hub: Any, far: Any, *, rule: FieldRule, system: str, first: str | None = None) -> Decision:
    """The verdict for one field. ``base``, ``hub`` and ``far`` are canonical in this system's view, or ABSENT.

    ``first`` is the system whose values are preferred at first contact when no other rule decides.
    """
    if far is ABSENT:
        return _NOTHING if base is ABSENT or hub is ABSENT or hub == base else _PUSH
    if base is ABSENT:
        return _first_contact(hub, far, rule=rule, system=system, first=first)
    if far == base:
        return _NOTHING if hub is ABSENT or hub == base else _PUSH
    if far == hub:
        return _AGREE
    if not may_set(rule, system):
        return _KEEP
    if hub is ABSENT or hub == base:
        return _TAKE
    return _both_changed(base, hub, far, rule=rule, system=system)


def may_set(rule: FieldRule, system: str) -> bool:
    """Whether edits in this system count."""
    return not rule.writers or system in rule.writers


def _first_contact(hub: Any, far: Any, *, rule: FieldRule, system: str, first: str | None) -> Decision:
    allowed = may_set(rule, system)
    if hub is ABSENT:
        return _TAKE if allowed else _NOTHING
    if hub == far:
        return _AGREE
    if _empty(hub):
        # Null never overwrites at first contact, not even from a side that alone may set the field.
        return _TAKE if allowed else _NOTHING
    if not allowed or _empty(far):
        return _KEEP
    decided = _both_changed(None, hub, far, rule=rule, system=system)
    if decided.verdict is Verdict.CONFLICT and first is not None:
        return _TAKE if first == system else _KEEP
    return decided


def _empty(value: Any) -> bool:
    """Null, or a list in which nobody has entered anything yet."""
    return value is None or value == []


def _both_changed(base: Any, hub: Any, far: Any, *, rule: FieldRule, system: str) -> Decision:
    if rule.owner is not None:
        return _TAKE if rule.owner == system else _KEEP
    if rule.merge is not None:
        merged = merge_values(rule.merge, base, hub, far)
        return _TAKE if merged == far else Decision(Verdict.MERGE, merged)
    return _CONFLICT
