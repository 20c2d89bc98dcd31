"""Many writes in one call, and still one honest answer for each.

Tryton does a call as one transaction: when one record of a batch is refused nothing of the batch happened. The batch
is then halved until the refused records stand alone; what had no effect is sent again, nothing else is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from isthmus.errors import IsthmusError, NeedsPerson, Stale

__all__ = ["each"]


async def each[Item, Answer](
    items: Sequence[Item], send: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]
) -> list[Answer | IsthmusError]:
    """Send all items in as few calls as possible; one answer or error per item, in order.

    A refusal (``Rejected``, ``Stale``) says which record only in prose, so the batch is halved. Any other error holds
    for every item of the call that raised it.
    """
    if not items:
        return []
    try:
        return list(await send(items))
    except (NeedsPerson, Stale) as error:
        if len(items) == 1:
            return [error]
    except IsthmusError as error:
        return [error] * len(items)
    half = len(items) // 2
    return [*await each(items[:half], send), *await each(items[half:], send)]
