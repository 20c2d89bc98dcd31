"""A process as a user would write it, with the world it acts on: an order that somebody approves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from isthmus.errors import Rejected, Unavailable
from isthmus.process import Definition, Run, process


class World:
    """An ERP that remembers tokens, and an outbox of notices."""

    def __init__(self) -> None:
        self.orders: dict[str, Any] = {}
        self.notices: dict[str, str] = {}
        self.calls = 0

    async def order(self, token: str, amount: int) -> str:
        self.calls += 1
        if amount < 0:
            raise Rejected("An order cannot be negative.", field="amount")
        return str(self.orders.setdefault(token, {"amount": amount, "number": f"SO{len(self.orders) + 1}"})["number"])

    async def tell(self, token: str, text: str) -> None:
        self.calls += 1
        self.notices[token] = text


def approval(world: Any) -> Definition:
    """Ask the manager, remind after two days, then order and tell; small ones need nobody."""

    @process("approval")
    async def function(run: Run, request: Any) -> str:
        amount = request["amount"]
        if amount > 100:
            answer = await run.wait("decision", f"Order for {amount}?", who="manager", within=timedelta(days=2))
            if answer is None:
                await run.step("remind", lambda: world.tell(f"{run.id}/remind", "still waiting"))
                answer = await run.wait("decision", f"Order for {amount}?", who="director", within=timedelta(days=1))
            if answer is None or answer.value != "yes":
                await run.step("refuse", lambda: world.tell(f"{run.id}/end", "refused"))
                return "refused"
        try:
            number = await run.step("order", lambda: world.order(f"{run.id}/order", amount))
        except Rejected as error:
            reason = error.message
            await run.step("notice", lambda: world.tell(f"{run.id}/end", reason))
            return "rejected"
        await run.sleep("cool", timedelta(seconds=request.get("cool", 1)))
        await run.step("notice", lambda: world.tell(f"{run.id}/end", f"ordered {number}"))
        return f"ordered {number}"

    return function


class ApprovalStage:
    """The process on a world of its own; ``says`` is what the manager answers, or None for nobody."""

    def __init__(self, amount: int, says: str | None, *, forgetful: bool = False) -> None:
        self.world = World()
        self.definition = approval(_Forgetful(self.world) if forgetful else self.world)
        self.given = {"amount": amount}
        self._says = says

    def answer(self, waiting: Any) -> dict[str, Any] | None:
        assert waiting.who
        assert waiting.question.startswith("Order for")
        return None if self._says is None else {"value": self._says, "by": waiting.who}

    async def effects(self) -> Any:
        return sorted(order["amount"] for order in self.world.orders.values()), sorted(self.world.notices.values())


class _Forgetful:
    """An ERP as a careless author would use it: a new token at each call."""

    def __init__(self, world: World) -> None:
        self._world, self._count = world, 0

    async def order(self, token: str, amount: int) -> str:
        self._count += 1
        return await self._world.order(f"{token}{self._count}", amount)

    async def tell(self, token: str, text: str) -> None:
        await self._world.tell(token, text)


__all__ = ["ApprovalStage", "Unavailable", "World", "approval"]
