"""Finding records, and one record as a whole."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.editing import Editing
from isthmus.app.record_view import field_roles, record_view, title_of
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.model.fields import Kind
from isthmus.model.state import Item
from isthmus.sync.world import World

__all__ = ["ROUTES"]

SHOWN = 50
INSIDE = ("process", "simulation", "original")
"""Fields that tell people nothing in a list: ids of the hub."""


@get("/records")
async def records(request: Call) -> Response[str]:
    """Found records, or those that changed last."""
    site, me = site_of(request), principal_of(request)
    text = request.query_params.get("q", "").strip()[:200]
    entity = request.query_params.get("entity", "")[:100] or None
    found = await site.reads.search(text, SHOWN + 1, entity) if text else await site.reads.latest_items(SHOWN + 1)
    more, found = len(found) > SHOWN, found[:SHOWN]
    links = await site.reads.links_of_items([item.id for item in found])
    places: dict[str, list[Any]] = {}
    for link in links:
        if link.item is not None:
            places.setdefault(link.item, []).append(link)
    hidden = {item.entity: field_roles(site.world, item.entity) for item in found}
    facts = {item.id: _facts(site.world, item, text, hidden[item.entity], me) for item in found}
    referred = {str(value) for item in found for name, value in facts[item.id] if _refers(site.world, item, name)}
    names = {one.id: title_of(one) for one in (await site.reads.items(referred)).values()} if referred else {}
    rows = [
        {
            "item": item,
            "title": title_of(item),
            "facts": [one for one in facts[item.id] if not _refers(site.world, item, one[0]) or one[1] in names],
            "links": places.get(item.id, []),
        }
        for item in found
    ]
    entities = sorted({flow.entity.name for flow in site.world.flows.values()})
    return render(request, "records.html", rows=rows, names=names, q=text, entity=entity, entities=entities, more=more)


def _refers(world: World, item: Item, name: str) -> bool:
    """Whether the field names another item."""
    entity = world.kinds.get(item.entity)
    return entity is not None and name in entity.fields and entity.fields[name].kind is Kind.REF


def _facts(world: World, item: Item, text: str, roles: dict[str, str], me: Any) -> list[tuple[str, Any]]:
    """Up to three values that tell one record from another; what was looked for stands first."""
    shown = [
        (name, value)
        for name, value in item.fields.items()
        if value not in (None, "", [], {})
        and not isinstance(value, bool | list)
        and me.sees(roles.get(name))
        and value != title_of(item)
        and name not in INSIDE
        and (_refers(world, item, name) or not (isinstance(value, str) and len(value) == 36 and value.count("-") == 4))
    ]
    wanted = text.lower()
    shown.sort(key=lambda pair: not (wanted and wanted in str(pair[1]).lower()))
    return shown[:3]


@get("/records/{item:str}")
async def record(item: FromPath[str], request: Call) -> Response[Any]:
    """One record everywhere."""
    site = site_of(request)
    view = await record_view(site.reads, site.world, item, principal_of(request), clock())
    if view is None:
        raise NotFoundException
    if view.item.id != item:
        return Redirect(f"/records/{view.item.id}")
    everything = request.query_params.get("all") == "1"
    offered = Editing(site.store, site.world, principal_of(request)).offered(view.item, view.links)
    return render(request, "record.html", view=view, everything=everything, offered=offered, now=clock())


@get("/record")
async def record_by_key(request: Call) -> Response[Any]:
    """The item of a system's record: ``?system=&resource=&key=``."""
    named = [request.query_params.get(name, "") for name in ("system", "resource", "key")]
    links = await site_of(request).reads.links_of_record(named[0], named[1], named[2])
    item = next((link.item for link in links if link.item is not None), None)
    if item is None:
        raise NotFoundException
    return Redirect(f"/records/{item}")


ROUTES = [records, record, record_by_key]
