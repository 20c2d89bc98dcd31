"""Items of every entity: searching, one with its records, editing; trace and explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import get, patch
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Response

from isthmus.api.v1.door import caller
from isthmus.api.v1.paging import Cursor, Limit, after, cursor_of
from isthmus.api.v1.problems import Failed
from isthmus.api.v1.site import ApiSite, Call
from isthmus.api.v1.views import EditAsked, Explained, ItemPage, ItemShown, RecordShown, TraceShown, plain, shown
from isthmus.app.access import Principal
from isthmus.app.bootstrap import clock, new_id
from isthmus.app.explain import explain as explain_record
from isthmus.app.record_view import field_roles, title_of
from isthmus.app.record_view import without as masked
from isthmus.app.tracing import TOLD, TraceNode
from isthmus.app.tracing import trace as trace_document
from isthmus.errors import Conflict
from isthmus.model.state import Cause, Item, Link
from isthmus.sync.editing import HubEdits

__all__ = ["ROUTES", "item_shown"]

Query = Annotated[str | None, QueryParameter(required=False, max_length=200, min_length=3, pattern=r"^[^\x00-\x1f]*$")]
MaybeWord = Annotated[
    str | None, QueryParameter(required=False, max_length=200, min_length=1, pattern=r"^[^\x00-\x1f]*$")
]
Word = Annotated[str, QueryParameter(max_length=200, min_length=1, pattern=r"^[^\x00-\x1f]*$")]


def secrets_of(site: ApiSite, entity: str, me: Principal) -> set[str]:
    """Fields of the entity that the caller may not see."""
    return {name for name, role in field_roles(site.world, entity).items() if not me.sees(role)}


def item_shown(site: ApiSite, me: Principal, item: Item, links: Sequence[Link] = ()) -> ItemShown:
    """An item without what the caller may not see."""
    secret = secrets_of(site, item.entity, me)
    return ItemShown(
        id=item.id,
        entity=item.entity,
        version=item.version,
        title=title_of(item),
        fields={name: plain(value) for name, value in item.fields.items() if name not in secret},
        hidden=sorted(secret & set(item.fields)),
        deleted=item.deleted_at is not None,
        records=[
            RecordShown(system=link.system, resource=link.resource, key=link.key, state=str(link.state))
            for link in links
            if link.item == item.id
        ],
    )


@get("/items", operation_id="listItems", summary="Search items, or go through all of an entity")
async def items(
    request: Call,
    q: Query = None,
    entity: MaybeWord = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ItemPage:
    """By id. ``q`` is found anywhere in a value, upper and lower case alike."""
    site, me = request.app.state.api, caller(request)
    found = await site.pages.items(limit=limit + 1, after=after(cursor), entity=entity, text=q or "")
    links = await site.reads.links_of_items([item.id for item in found[:limit]])
    return ItemPage(
        items=[item_shown(site, me, item, links) for item in found[:limit]],
        next=cursor_of(found[limit - 1].id) if len(found) > limit else None,
    )


async def _item(site: ApiSite, id: str) -> tuple[Item, list[Link]]:
    found = await site.reads.item_with_links(id)
    if found is None:
        raise Failed(404, "not-found", f"There is no item {id[:200]}.")
    return found.item, found.links


@get("/items/{id:str}", operation_id="getItem", summary="One item with its records")
async def item(id: FromPath[str], request: Call) -> Response[ItemShown]:
    """Its version is the ETag."""
    site: ApiSite = request.app.state.api
    found, links = await _item(site, id)
    answer = Response(item_shown(site, caller(request), found, links))
    answer.headers["etag"] = f'"{found.version}"'
    return answer


@patch("/items/{id:str}", operation_id="editItem", summary="Change fields of an item in the hub", status_code=200)
async def edit(
    id: FromPath[str],
    request: Call,
    data: JSONBody[EditAsked],
    if_match: Annotated[str | None, HeaderParameter(name="If-Match", max_length=40, required=False)] = None,
) -> Response[ItemShown]:
    """Every system follows by the rules of its flow. ``If-Match``: the ETag that was seen."""
    site, me = request.app.state.api, caller(request)
    found, _ = await _item(site, id)
    if if_match is None:
        raise Failed(428, "no-version", "Say by If-Match which version is to be changed.", advice="GET it first.")
    seen = if_match.strip().removeprefix("W/").strip('"')
    if not (seen.isascii() and seen.isdecimal()) or int(seen) > found.version:
        raise Failed(412, "moved-on", f"It has version {found.version}.")
    hidden = secrets_of(site, found.entity, me) & set(data.fields)
    if hidden:
        raise Failed(403, "no-scope", f"The token may not see or change {', '.join(sorted(hidden))}.")
    if found.entity not in site.world.kinds:
        raise Failed(422, "refused", f"No flow of this hub has the entity {found.entity}.")
    await site.access.note(me.login, "item edited", id, {"fields": sorted(data.fields), "via": "api"})
    try:
        async with site.store.transaction() as tx:
            edits = HubEdits(
                tx, site.world, Cause("person", me.login, "api"), now=clock(), new_id=new_id, entities={found.entity}
            )
            done = await edits.change(id, data.fields, expected=int(seen))
    except Conflict as error:
        raise Failed(412, "moved-on", error.message, advice=error.advice) from error
    answer = Response(item_shown(site, me, done, await site.reads.links_of_items([id])))
    answer.headers["etag"] = f'"{done.version}"'
    return answer


@get("/trace", operation_id="trace", summary="Follow a document across all systems")
async def trace(
    request: Call,
    q: Annotated[str, QueryParameter(max_length=200, min_length=1, description="Number, reference or record key.")],
) -> TraceShown:
    """Order, deliveries, invoices and payments as a tree, with their history."""
    site, me = request.app.state.api, caller(request)
    found = await trace_document(site.reads, q)
    secrets = {entity: secrets_of(site, entity, me) for entity in {event.entity for event in found.events}}
    return shown(
        TraceShown,
        {
            "roots": [_node(site, me, root) for root in found.roots],
            # A line of history may tell a value of one of these fields.
            "events": [event for event in found.events if not secrets[event.entity] & set(TOLD)],
        },
    )


def _node(site: ApiSite, me: Principal, node: TraceNode) -> Mapping[str, Any]:
    secret = secrets_of(site, node.entity, me)
    return {
        **plain(node),
        "fields": {name: plain(value) for name, value in node.fields.items() if name not in secret},
        "children": [_node(site, me, child) for child in node.children],
    }


@get("/explain", operation_id="explain", summary="Is a record in step, and if not, why?")
async def explain(request: Call, system: Word, resource: Word, key: Word) -> Explained:
    """A record of a system by its key there."""
    site, me = request.app.state.api, caller(request)
    found = await explain_record(site.reads, site.project, system, resource, key, clock())
    flows = {flow.name: flow.entity.name for flow in site.world.flows.values()}
    parts = [
        plain(part) | {"fields": plain(masked(part.fields, secrets_of(site, flows.get(part.flow, ""), me)))}
        for part in found.parts
    ]
    return shown(Explained, found, parts=parts)


ROUTES = [items, item, edit, trace, explain]
