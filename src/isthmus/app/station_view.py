"""A service station as its own people see it: what it asked for, sent back, repaired and is paid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from isthmus.model.state import Item
from isthmus.store import Pages, Reads

__all__ = ["StationShare", "StationView", "station_view", "stations_of"]

SHOWN = 20
MANY = 200


class StationShare(msgspec.Struct, frozen=True, kw_only=True):
    """What a settlement holds of one station; nothing of it says what the others get."""

    number: str
    period: str
    state: str
    currency: str
    repairs: int
    amount: Decimal
    due_on: str | None


class StationView(msgspec.Struct, frozen=True, kw_only=True):
    """One station, the newest of everything first."""

    @property
    def corrected(self) -> frozenset[str]:
        """Repairs that another of those shown puts right."""
        return frozenset(self.numbers)

    station: Item
    requests: list[Item]
    returns: list[Item]
    repairs: list[Item]
    numbers: dict[str, str]
    """Of the repairs that others put right."""
    shares: list[StationShare]


async def stations_of(pages: Pages, customer: str) -> list[Item]:
    """The stations that buy as this customer."""
    found = await pages.documents("OrganisationUnit", {"kind": "station", "customer": customer}, limit=MANY)
    return sorted((one for one in found if one.fields.get("active") is not False), key=_number)


async def station_view(reads: Reads, pages: Pages, station: Item) -> StationView:
    """Everything about one station."""
    own = {"station": station.id}
    repairs = await pages.documents("RepairRecord", own, limit=SHOWN)
    before = await reads.items([str(one.fields["corrects"]) for one in repairs if one.fields.get("corrects")])
    settlements = await reads.referencing(station.id, "LabourSettlement", MANY)
    return StationView(
        station=station,
        requests=await pages.documents("MaterialRequest", own, limit=SHOWN),
        returns=await pages.documents("Return", own, limit=SHOWN),
        repairs=repairs,
        numbers={id: _number(one) for id, one in before.items()},
        shares=[_share(one, station.id) for one in sorted(settlements, key=_number, reverse=True)[:SHOWN]],
    )


def _share(settlement: Item, station: str) -> StationShare:
    fields = settlement.fields
    lines: list[dict[str, Any]] = [line for line in fields.get("lines") or () if line.get("station") == station]
    return StationShare(
        number=_number(settlement),
        period=str(fields.get("period") or ""),
        state=str(fields.get("state") or ""),
        currency=str(fields.get("currency") or ""),
        repairs=len(lines),
        amount=sum((Decimal(str(line.get("amount") or 0)) for line in lines), Decimal(0)),
        due_on=fields.get("due_on"),
    )


def _number(item: Item) -> str:
    return str(item.fields.get("number") or "")
