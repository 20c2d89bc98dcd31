"""Returns as the centre that counts them thinks of them: what differs, and whether that is settled. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

__all__ = ["Blame", "Counted", "Difference", "Responsible", "differences", "unsettled"]


class Responsible(StrEnum):
    """Who bears a difference."""

    STATION = "station"
    CARRIER = "carrier"
    CENTRE = "centre"
    NOBODY = "nobody"
    """It was a mistake on paper: nothing is missing and nothing is too much."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A position of a return: what the station says it sent, and what arrived."""

    id: str
    sent: Decimal
    counted: Decimal


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """Who is responsible for a difference, and by what evidence."""

    responsible: Responsible
    evidence: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A position that did not arrive as it was sent: ``amount`` below zero is missing, above is too much."""

    id: str
    amount: Decimal


def differences(lines: Sequence[Counted]) -> tuple[Difference, ...]:
    """Positions that differ, in their order."""
    return tuple(Difference(id=line.id, amount=line.counted - line.sent) for line in lines if line.counted != line.sent)


def unsettled(lines: Sequence[Counted], blames: Mapping[str, Blame]) -> tuple[str, ...]:
    """What still stands in the way of telling the ERP, in words: each difference needs somebody responsible and
    evidence. Blame for what does not differ is a mistake too."""
    found = []
    differing = {one.id: one for one in differences(lines)}
    for id, one in differing.items():
        blame = blames.get(id)
        what = f"{-one.amount} missing" if one.amount < 0 else f"{one.amount} too many"
        if blame is None:
            found.append(f"Position {id}: {what}, and nobody is responsible yet.")
        elif not blame.evidence.strip():
            found.append(f"Position {id}: {what}; there is no evidence that the {blame.responsible} is responsible.")
    found += [f"Position {id} arrived as it was sent." for id in blames if id not in differing]
    return tuple(found)
