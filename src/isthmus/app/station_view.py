"""A service station as its own people see it: what it asked for, sent back, repaired and is paid."""

from __future__ import annotations

import msgspec

from isthmus.model.state import Item
from isthmus.store import Pages, Reads, SettlementShare

__all__ = ["StationView", "station_view", "stations_of"]

SHOWN = 20
MANY = 200


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
    shares: list[SettlementShare]


async def stations_of(pages: Pages, customer: str) -> list[Item]:
    """The stations that buy as this customer."""
    found = await pages.documents("OrganisationUnit", customer=customer, limit=MANY)
    active = (one for one in found if one.fields.get("kind") == "station" and one.fields.get("active") is not False)
    return sorted(active, key=_number)


async def station_view(reads: Reads, pages: Pages, station: Item) -> StationView:
    """Everything about one station."""
    repairs = await pages.documents("RepairRecord", station=station.id, limit=SHOWN)
    before = await reads.items([str(one.fields["corrects"]) for one in repairs if one.fields.get("corrects")])
    return StationView(
        station=station,
        requests=await pages.documents("MaterialRequest", station=station.id, limit=SHOWN),
        returns=await pages.documents("Return", station=station.id, limit=SHOWN),
        repairs=repairs,
        numbers={id: _number(one) for id, one in before.items()},
        shares=await pages.settlement_shares(station.id, SHOWN),
    )


def _number(item: Item) -> str:
    return str(item.fields.get("number") or "")
