"""``order_simulation``: an order of ten lines priced by the ERP through the hub, beside the same calls made bare."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import aiohttp

from benchmarks.figures import Figure, machine
from isthmus.app.bootstrap import open_hub
from isthmus.app.business import OpenBusiness
from isthmus.app.ordering import simulate
from isthmus.cli.demo import Stage
from isthmus.connectors.tryton import TrytonSystem
from isthmus.store import Reads

__all__ = ["order_simulation"]

LINES = 10
TIMES = {"full": 30, "small": 10}
RATIO = 1.3
"""Target: the use case to its bare calls."""


def order_simulation(place: Stage, size: str, say: Callable[[str], None]) -> list[Figure]:
    """Simulate and call bare in turn, on a linked stage; the hub does not run beside it."""
    where = machine()
    ours, bare, calls = asyncio.run(_measured(place, TIMES[size]))
    say(f"{LINES} lines: {ours:.3f} s, bare {bare:.3f} s")
    return [
        Figure(
            name="order_simulation",
            value=ours,
            unit="s",
            floor=bare,
            target=RATIO,
            of_ratio=True,
            size=size,
            machine=where,
            detail={"lines": LINES, "far_calls": calls},
        )
    ]


async def _measured(place: Stage, times: int) -> tuple[float, float, int]:
    async with open_hub(place.folder) as hub:
        business = OpenBusiness(hub)
        customer, lines = await _cart(Reads(hub.store))
        erp = hub.engine.systems["erp"]
        assert isinstance(erp, TrytonSystem)
        await simulate(business, customer, lines)  # what is asked once an opening is asked now
        tape = _Tape(erp)
        await simulate(business, customer, lines)
        tape.stop()
        ours, bare = [], []
        async with aiohttp.ClientSession(tape.base, headers=tape.headers) as session:
            for _ in range(times):
                ours.append(await _timed(simulate(business, customer, lines)))
                bare.append(await _timed(_bare(session, tape)))
        return statistics.median(ours), statistics.median(bare), len(tape.calls)


async def _cart(reads: Reads) -> tuple[str, list[tuple[str, Decimal]]]:
    # Codes and names as the lab's data has them.
    goods, people = await reads.search("-00", limit=500), await reads.search("GmbH", limit=500)
    products = [item for item in goods if item.entity == "Product" and item.fields.get("sku")][:LINES]
    customer = next(item for item in people if item.entity == "Customer" and item.fields.get("number"))
    assert len(products) == LINES
    return customer.id, [(str(item.fields["sku"]), Decimal(12)) for item in products]


class _Tape:
    """The calls of one simulation, as they went over the wire."""

    def __init__(self, erp: TrytonSystem) -> None:
        self._http = cast(Any, erp._tryton.rpc._http)
        self._request = self._http.request
        self.calls: list[tuple[str, bytes]] = []
        self.base, self.path = erp._tryton.config.url, ""
        self.headers: dict[str, str] = {}
        self._http.request = self._record

    async def _record(self, method: str, path: str, **options: Any) -> Any:
        self.path, self.headers = path, dict(options["headers"])
        self.calls.append((str(json.loads(options["body"])["method"]), options["body"]))
        return await self._request(method, path, **options)

    def stop(self) -> None:
        self._http.request = self._request

    def of(self, *words: str) -> list[bytes]:
        return [body for method, body in self.calls if any(word in method for word in words)]


async def _bare(session: aiohttp.ClientSession, tape: _Tape) -> None:
    """The same calls in the same order, as far as one needs another's answer."""

    async def send(body: bytes) -> Mapping[str, Any]:
        async with session.post(tape.path, data=body) as response:
            answer: Mapping[str, Any] = await response.json(content_type=None)
            assert "result" in answer, answer
            return answer

    head, totals = tape.of("sale.sale.on_change")
    rest = tape.of("product.product", "stock.move", "party.party")
    lines = tape.of("sale.line.on_change")
    assert len(lines) + len(rest) + 2 == len(tape.calls), [method for method, _ in tape.calls]

    async def price() -> None:
        await send(head)
        await asyncio.gather(*(send(line) for line in lines))
        await send(totals)

    await asyncio.gather(price(), *(send(one) for one in rest))


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began
