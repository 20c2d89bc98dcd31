"""The Tryton connector: opening a system and its resources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from isthmus.connector import Hint, HttpClient, Quota, Resource, SystemInfo
from isthmus.connector.services import Operation
from isthmus.connectors.tryton.changes import OutboxSource, Source, WriteDateSource, has_outbox
from isthmus.connectors.tryton.collection import Collection
from isthmus.connectors.tryton.config import TrytonConfig
from isthmus.connectors.tryton.contact import Contacts
from isthmus.connectors.tryton.hints import read_hint
from isthmus.connectors.tryton.installation import Installation, survey
from isthmus.connectors.tryton.invoice import Invoices
from isthmus.connectors.tryton.names import Names
from isthmus.connectors.tryton.party import Parties
from isthmus.connectors.tryton.payment import Payments
from isthmus.connectors.tryton.price_list import PriceLists
from isthmus.connectors.tryton.product import Products
from isthmus.connectors.tryton.rpc import Rpc
from isthmus.connectors.tryton.sale import Sales
from isthmus.connectors.tryton.services import TrytonServices
from isthmus.connectors.tryton.shipment import Shipments
from isthmus.connectors.tryton.shipment_return import ShipmentReturns
from isthmus.errors import Misconfigured

__all__ = ["TRYTON", "TrytonSystem"]

_RESOURCES: Sequence[type[Collection]] = (
    Parties,
    Contacts,
    Products,
    PriceLists,
    Sales,
    Shipments,
    ShipmentReturns,
    Invoices,
    Payments,
)
_MODULES = ("account_credit_limit", "account_invoice_stock", "sale", "sale_discount", "sale_price_list", "stock")


class TrytonSystem:
    """One open Tryton database."""

    def __init__(self, tryton: Installation) -> None:
        self._tryton = tryton
        self._resources: dict[str, Resource] = {kind.name: kind(tryton) for kind in _RESOURCES}
        self._services = TrytonServices(tryton)

    def resources(self) -> Mapping[str, Resource]:
        """Resources by name."""
        return self._resources

    def operations(self) -> Mapping[str, Operation]:
        """What can be asked about orders, by the modules of this Tryton."""
        return self._services.operations()

    async def call(self, operation: str, given: Any, *, token: str = "") -> Any:
        """Answer a question; none of the operations changes anything, so no token is needed."""
        return await self._services.call(operation, given)

    @property
    def database(self) -> str:
        """Name of the database."""
        return self._tryton.config.database

    async def check(self) -> SystemInfo:
        """Log in anew and ask for the version. Raises what :meth:`_Tryton.open` raises."""
        rpc = self._tryton.rpc
        await rpc.login(await rpc.login(None))
        warnings = []
        if not self._tryton.source.tells_deletes:
            warnings.append(
                "Changes are read by change dates: deletes show only in a full scan. Install the module isthmus_outbox."
            )
        if self._tryton.warehouse is None:
            warnings.append("There is no warehouse: products show no stock.")
        return SystemInfo(
            product="Tryton", version=await rpc.version(), user=self._tryton.config.login, warnings=warnings
        )

    async def subscribe(self, url: str) -> None:
        """Have the outbox module send signed hints to ``url``. Raises ``Misconfigured`` without module or secret."""
        source, secret = self._tryton.source, self._tryton.config.hint_secret
        if not isinstance(source, OutboxSource):
            raise Misconfigured("This Tryton sends no hints.", advice="Install the module isthmus_outbox.")
        if not secret:
            raise Misconfigured("Hints need a secret.", advice="Set hint_secret in isthmus.toml.")
        await source.subscribe(url, secret)

    def verify(self, headers: Mapping[str, str], body: bytes, now: dt.datetime) -> Sequence[Hint]:
        """Where to look, after checking signature and age of a hint."""
        config = self._tryton.config
        return read_hint(headers, body, now, secret=config.hint_secret, database=config.database)

    def quotas(self) -> Sequence[Quota]:
        """What the server, or a proxy before it, last said of its limits."""
        return self._tryton.rpc.quotas()

    async def close(self) -> None:
        """Release the connections."""
        await self._tryton.rpc.close()


class _Tryton:
    kind = "tryton"
    config: type[msgspec.Struct] = TrytonConfig

    async def open(self, config: TrytonConfig) -> TrytonSystem:
        """Log in and read what all resources need. Raises ``Unauthorized``, ``Unavailable``, ``Misconfigured``."""
        http = HttpClient(config.url, settings=config.http)
        rpc = Rpc(
            http,
            database=config.database,
            login=config.login,
            password=config.password,
            accept_warnings=config.accept_warnings,
        )
        try:
            return TrytonSystem(await _install(rpc, config))
        except BaseException:
            await rpc.close()
            raise


async def _install(rpc: Rpc, config: TrytonConfig) -> Installation:
    await rpc.login(None)
    rpc.context = dict(await rpc.call("model.res.user.get_preferences", True))
    if config.language:
        rpc.context["language"] = config.language
    company, currency, warehouse, own = await survey(rpc, config.company, config.warehouse)
    rpc.context["company"] = company
    modules = await rpc.call(
        "model.ir.module.search_read",
        [["name", "in", list(_MODULES)], ["state", "=", "activated"]],
        0,
        None,
        None,
        ["name"],
    )
    source: Source = WriteDateSource(rpc, dt.timedelta(seconds=config.overlap))
    if config.changes != "write_date":
        if await has_outbox(rpc):
            source = OutboxSource(rpc)
        elif config.changes == "outbox":
            raise Misconfigured(
                "This Tryton has no module isthmus_outbox.",
                advice='Install and activate it (see its README), or set changes = "auto".',
            )
    return Installation(
        rpc=rpc,
        config=config,
        names=Names(rpc),
        source=source,
        company=company,
        currency=currency,
        warehouse=warehouse,
        own_parties=own,
        modules=frozenset(row["name"] for row in modules),
    )


TRYTON = _Tryton()
"""The connector; ``kind = "tryton"`` in isthmus.toml."""
