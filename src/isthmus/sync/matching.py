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
from isthmus.model.state import Link
from isthmus.sync.evidence import blocks_of, field_value, normal, normal_name, told_apart, values_of

__all__ = ["Candidate", "Judgement", "Pool", "judge", "settle_rivals"]

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


class Pool:
    """The items a reading may belong to: what is known of each, by which evidence it is found, and which record of the
    reading's own system and resource it has already. Grows while a batch is worked off, so that two records of one
    batch that are the same thing find each other."""

    def __init__(
        self,
        rules: Sequence[tuple[str, MatchRule]],
        found: Mapping[tuple[str, str], Sequence[str]],
        known: Mapping[str, Mapping[str, Any]],
        taken: Mapping[str, str],
    ) -> None:
        self.rules = list(rules)
        self.found = {pair: list(items) for pair, items in found.items()}
        self.known, self.taken = dict(known), dict(taken)

    def take(self, item: str, key: str, fields: Mapping[str, Any]) -> None:
        """The item (new or not) has this record now."""
        self.taken[item] = key
        if item not in self.known:
            self.known[item] = fields
            for pair in values_of(fields, dict(self.rules)):
                self.found.setdefault(pair, []).append(item)


def judge(link: Link, pool: Pool, *, unique: bool = True) -> Judgement:
    """Which item the reading belongs to. ``unique``: a record of the same system that looks alike is suspected to be a
    duplicate; otherwise items that have such a record are simply other things."""
    doubts: dict[str, Candidate] = {}
    for position, (name, rule) in enumerate(pool.rules):
        places = [(name, value) for value in blocks_of(rule, link.far)]
        ids = dict.fromkeys(id for place in places for id in pool.found.get(place, ()))
        hits = [
            candidate
            for id in ids
            if id in pool.known
            and (unique or id not in pool.taken)
            and (candidate := _score(name, rule, link.far, id, pool, pool.rules[:position])) is not None
        ]
        sure = [c for c in hits if c.sure]
        free = [c for c in sure if c.taken is None]
        if free and not doubts and (len(sure) == 1 or not unique):
            return Judgement(item=free[0].item, reason=free[0].reason)
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
    item: str,
    pool: Pool,
    stronger: Sequence[tuple[str, MatchRule]],
) -> Candidate | None:
    known = pool.known[item]
    score = 1.0
    sure = True
    for part in rule.parts:
        if part.similar is None:
            continue
        ours, theirs = normal_name(field_value(fields, part.field)), normal_name(field_value(known, part.field))
        if ours is None or theirs is None or told_apart(ours, theirs):
            return None
        least = (part.similar - NEAR) * 100
        ratio = max(
            fuzz.token_sort_ratio(ours, theirs, score_cutoff=least),
            fuzz.partial_ratio(ours, theirs, score_cutoff=least / 0.93) * 0.93,
        )
        ratio /= 100
        if ratio * 100 < least:
            return None
        sure = sure and ratio >= part.similar
        score = min(score, ratio)
    against = _contradiction(fields, known, stronger)
    fuzzy = any(part.similar is not None for part in rule.parts)
    if against is not None and fuzzy and (not sure or "@" not in str(field_value(known, against))):
        # A different tax number under a similar name is another company. A company has many e-mail addresses, though:
        # there somebody must look.
        return None
    reason = f"same {' and '.join(rule.exact)}" if rule.exact else ""
    if fuzzy:
        reason = f"{reason + ', ' if reason else ''}similar name ({score:.0%})"
    if against is not None:
        reason += f", but a different {against}"
    return Candidate(item, name, score, reason, pool.taken.get(item), sure=sure and against is None)


def _contradiction(
    fields: Mapping[str, Any], known: Mapping[str, Any], stronger: Sequence[tuple[str, MatchRule]]
) -> str | None:
    """A field of a stronger exact rule that both have and that differs."""
    for _, rule in stronger:
        if len(rule.parts) == 1 and rule.parts[0].similar is None:
            name = rule.parts[0].field
            ours, theirs = normal(field_value(fields, name)), normal(field_value(known, name))
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
