"""What all documents of the hub have in common in the API: finding one, showing it, listing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Response

from isthmus.api.v1.document_views import DocumentPage, DocumentShown, WaitShown
from isthmus.api.v1.door import caller
from isthmus.api.v1.items import item_shown
from isthmus.api.v1.paging import after, cursor_of
from isthmus.api.v1.problems import Failed
from isthmus.api.v1.site import ApiSite, Call
from isthmus.api.v1.views import shown
from isthmus.model.state import Item

__all__ = ["IfMatch", "State", "acted_on", "answer", "found", "key_of", "page", "performed"]

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", max_length=40, required=False, description="The ETag that was seen: else nothing is done."
    ),
]
State = Annotated[str | None, QueryParameter(name="state", required=False, max_length=50, pattern=r"^[a-z_]*$")]


async def found(site: ApiSite, entity: str, id: str, if_match: str | None = None) -> Item:
    """The document of this number or item, as its caller saw it. Raises 404, 409 and 412."""
    item = (await site.reads.items([id])).get(id)
    if item is None or item.entity != entity or item.deleted_at is not None:
        named = await site.reads.items_by_field(entity, "number", id)
        if len(named) > 1:
            raise Failed(409, "ambiguous", f"There are {len(named)} of this number.", advice="Name one by its item.")
        if not named:
            raise Failed(404, "not-found", f"There is no {entity} {id[:200]}.")
        item = named[0]
    if if_match is not None and if_match.strip().removeprefix("W/").strip('"') != str(item.version):
        raise Failed(412, "moved-on", f"It has version {item.version}.")
    return item


async def answer(request: Call, item: Item, status: int = 200) -> Response[DocumentShown]:
    """A document as it is now; its version is the ETag."""
    site, me = request.app.state.api, caller(request)
    now = (await site.reads.items([item.id])).get(item.id, item)
    products = await site.reads.items({line["product"] for line in _lines(now) if line.get("product")})
    run = await site.reads.process(str(now.fields.get("process") or ""))
    process = run[0] if run is not None else None
    original = now.fields.get("original")
    versions = await site.reads.items_by_field(now.entity, "original", original) if original else []
    body = DocumentShown(
        document=item_shown(site, me, now, await site.reads.links_of_items([now.id])),
        skus={id: str(one.fields.get("sku") or id) for id, one in products.items()},
        versions=[str(one.fields["number"]) for one in sorted(versions, key=lambda one: one.fields["version"])],
        waits=None
        if process is None
        else shown(
            WaitShown,
            process,
            process=process.id,
            state=str(process.state),
            problem=process.problem.message if process.problem is not None else None,
        ),
    )
    headers = {"etag": f'"{now.version}"'}
    if status == 201:
        headers["location"] = f"/api/v1/{_PLACES[now.entity]}/{now.id}"
    return Response(body, status_code=status, headers=headers)


def _lines(item: Item) -> list[Mapping[str, Any]]:
    return [line for name in ("lines", "parts") for line in item.fields.get(name) or ()]


_PLACES = {
    "Quote": "quotes",
    "MaterialRequest": "material-requests",
    "Return": "returns",
    "RepairRecord": "repairs",
    "LabourSettlement": "settlements",
}


async def page(
    request: Call, entity: str, wanted: Mapping[str, str | None], limit: int, cursor: str | None
) -> DocumentPage:
    """Documents with these values, by id."""
    site, me = request.app.state.api, caller(request)
    given = {name: value for name, value in wanted.items() if value}
    items = await site.pages.items(limit=limit + 1, after=after(cursor), entity=entity, wanted=given)
    return DocumentPage(
        items=[item_shown(site, me, item) for item in items[:limit]],
        next=cursor_of(items[limit - 1].id) if len(items) > limit else None,
    )


def key_of(request: Call, key: str | None) -> str | None:
    """The caller's key as part of the document's id: the same key makes the same document, however much later."""
    return str(uuid5(NAMESPACE_URL, f"api {caller(request).login} {key}")) if key else None


async def performed(request: Call, what: str, on: str) -> str:
    """Write into the audit log who does what; the login."""
    site, me = request.app.state.api, caller(request)
    await site.access.note(me.login, what, on, {"via": "api"})
    return str(me.login)


async def acted_on(request: Call, entity: str, id: str, what: str, if_match: str | None) -> tuple[Item, str]:
    """The document that somebody does something to, as :func:`found`, noted in the audit log; with the login."""
    item = await found(request.app.state.api, entity, id, if_match)
    return item, await performed(request, what, id)
