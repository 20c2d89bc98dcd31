"""Rows of simulated orders, within a transaction of the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from isthmus.desk.ordering import Simulation
from isthmus.store.codec import from_row, payload
from isthmus.store.queries import query

__all__ = ["PostgresSimulations"]


class PostgresSimulations:
    """:class:`~isthmus.desk.ports.SimulationRows` on a connection that is inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, simulation: Simulation) -> None:
        """Keep a new one."""
        await self._connection.execute(query("add_simulation"), {"rows": payload([simulation])})

    async def load(self, id: str) -> Simulation | None:
        """This one, locked."""
        return await self._one("simulation", id=id)

    async def by_key(self, client_key: str) -> Simulation | None:
        """The one placed with this key."""
        return await self._one("simulation_by_key", client_key=client_key)

    async def by_order(self, item: str) -> Simulation | None:
        """The one that became this order."""
        return await self._one("simulation_by_order", item=item)

    async def placed(self, id: str, *, order: str, client_key: str | None) -> None:
        """It became this order."""
        parameters = {"id": id, "order": order, "client_key": client_key}
        await self._connection.execute(query("simulation_placed"), parameters)

    async def forget(self, before: datetime) -> None:
        """Drop those made before this time of which no order came."""
        await self._connection.execute(query("forget_simulations"), {"before": before})

    async def _one(self, name: str, **parameters: Any) -> Simulation | None:
        rows = await (await self._connection.execute(query(name), parameters)).fetchall()
        return from_row(Simulation, rows[0]) if rows else None
