"""Lists of sub-records as Tryton's commands.

An element of a party that is not in the list any more is deactivated, not deleted: old documents refer to it.
Inactive elements are not shown, so for the hub it is gone. Lines of a draft are deleted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from isthmus.errors import Rejected

__all__ = ["commands"]

type Element = Mapping[str, Any]


async def commands(
    wanted: Sequence[Element] | None,
    before: Sequence[Element] | None,
    values: Callable[[Element], Awaitable[dict[str, Any]]],
    *,
    delete: bool = False,
) -> list[list[Any]]:
    """Commands that turn ``before`` into ``wanted``; elements are the same by ``id``.

    Raises ``Rejected`` for an id that is not in ``before`` (it belongs to another record).
    """
    known = {str(element["id"]): element for element in before or ()}
    created, written, kept = [], list[list[Any]](), set[str]()
    for element in wanted or ():
        identity = element.get("id")
        if identity is None:
            created.append(await values(element))
            continue
        if str(identity) not in known:
            raise Rejected(f"There is no element {identity} in this list.")
        kept.add(str(identity))
        new, old = await values(element), await values(known[str(identity)])
        if changed := {name: value for name, value in new.items() if value != old.get(name)}:
            written.append(["write", [int(identity)], changed])
    gone = [int(identity) for identity in known if identity not in kept]
    result: list[list[Any]] = []
    if gone:
        result.append(["delete", gone] if delete else ["write", gone, {"active": False}])
    result += written
    if created:
        result.append(["create", created])
    return result
