"""First contact: which item a reading belongs to. Pure.

Rules are tried strongest first. One free candidate links; several, a contradiction by a stronger rule, a near miss, or
a candidate that already has a record in this system go to the inbox: linking by guess could join strangers, and
creating by guess makes duplicates. Nothing at all becomes a new item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rapidfuzz import fuzz

from isthmus.model.flow import MatchRule
from isthmus.model.state import Item, Link
from isthmus.sync.evidence import block_of, field_value, normal, normal_name

__all__ = ["Candidate", "Judgement", "judge", "settle_rivals"]

NEAR = 0.12
"""A similarity this much below the rule's threshold is doubtful rather than different."""


class Candidate(msgspec.Struct, frozen=True):
    """An item that may be meant, and why."""

    item: str
    rule: str
    score: float
    reason: str
    taken: str | None = None
    """Key of the record of the same system and resource that the item has already."""
    sure: bool = True


class Judgement(msgspec.Struct, frozen=True):
    """``item`` when it is sure; otherwise candidates for a person, or neither: a new item."""

    item: str | None = None
    candidates: Sequence[Candidate] = ()
    reason: str = ""


def judge(
    link: Link,
    rules: Sequence[tuple[str, MatchRule]],
    found: Mapping[tuple[str, str], Sequence[str]],
    items: Mapping[str, Item],
    taken: Mapping[str, str],
) -> Judgement:
    """``found``: (rule, value) -> items by evidence; ``taken``: item -> key of its record in the link's resource."""
    doubts: dict[str, Candidate] = {}
    for position, (name, rule) in enumerate(rules):
        value = block_of(rule, link.far)
        if value is None:
            continue
        hits = [
            candidate
            for id in found.get((name, value), ())
            if id in items
            and (candidate := _score(name, rule, link.far, items[id], rules[:position], taken.get(id))) is not None
        ]
        sure = [c for c in hits if c.sure and c.taken is None]
        if len(sure) == 1 and len([c for c in hits if c.sure]) == 1 and not doubts:
            return Judgement(item=sure[0].item, reason=sure[0].reason)
        for candidate in hits:
            doubts.setdefault(candidate.item, candidate)
    if not doubts:
        return Judgement()
    ordered = sorted(doubts.values(), key=lambda c: -c.score)
    return Judgement(candidates=ordered, reason=_why(ordered))


def _score(
    name: str,
    rule: MatchRule,
    fields: Mapping[str, Any],
    item: Item,
    stronger: Sequence[tuple[str, MatchRule]],
    taken: str | None,
) -> Candidate | None:
    score = 1.0
    sure = True
    for part in rule.parts:
        if part.similar is None:
            continue
        ours, theirs = normal_name(field_value(fields, part.field)), normal_name(field_value(item.fields, part.field))
        if ours is None or theirs is None:
            return None
        ratio = max(fuzz.token_sort_ratio(ours, theirs), fuzz.partial_ratio(ours, theirs) * 0.93) / 100
        if ratio < part.similar - NEAR:
            return None
        sure = sure and ratio >= part.similar
        score = min(score, ratio)
    against = _contradiction(fields, item, stronger)
    fuzzy = any(part.similar is not None for part in rule.parts)
    if against is not None and fuzzy:
        return None
    reason = f"same {' and '.join(rule.exact)}" if rule.exact else ""
    if fuzzy:
        reason = f"{reason + ', ' if reason else ''}similar name ({score:.0%})"
    if against is not None:
        reason += f", but a different {against}"
    return Candidate(item.id, name, score, reason, taken, sure=sure and against is None)


def _contradiction(fields: Mapping[str, Any], item: Item, stronger: Sequence[tuple[str, MatchRule]]) -> str | None:
    """A field of a stronger exact rule that both have and that differs."""
    for _, rule in stronger:
        if len(rule.parts) == 1 and rule.parts[0].similar is None:
            name = rule.parts[0].field
            ours, theirs = normal(field_value(fields, name)), normal(field_value(item.fields, name))
            if ours is not None and theirs is not None and ours != theirs:
                return name
    return None


def _why(candidates: Sequence[Candidate]) -> str:
    first = candidates[0]
    if len(candidates) > 1:
        return f"{len(candidates)} records may be the same thing: {first.reason}."
    if first.taken is not None:
        return f"Looks like a duplicate of {first.taken} ({first.reason})."
    return f"May be the same thing: {first.reason}."


def settle_rivals(judged: Sequence[tuple[Link, Judgement]]) -> list[tuple[Link, Judgement]]:
    """Two records of one system that claim the same item are both doubtful: the first one read must not win."""
    claims = Counter(judgement.item for _, judgement in judged if judgement.item is not None)
    settled = []
    for link, judgement in judged:
        if judgement.item is not None and claims[judgement.item] > 1:
            rivals = claims[judgement.item]
            candidate = Candidate(judgement.item, "", 1.0, judgement.reason)
            judgement = Judgement(
                candidates=(candidate,),
                reason=f"{rivals} records of {link.system} fit the same one: {judgement.reason}.",
            )
        settled.append((link, judgement))
    return settled
