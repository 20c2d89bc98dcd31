"""Links of one record by hand: what belongs to it, what may, and each act shown before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.linking import ActKind, LinkAct, Linking
from isthmus.app.record_view import title_of
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import Conflict, NeedsPerson
from isthmus.model.flow import MergePolicy
from isthmus.model.state import LinkState

__all__ = ["ROUTES"]

POLICIES = (MergePolicy.HOLD, MergePolicy.KEEP, MergePolicy.ARCHIVE)


def _linking(request: Call) -> Linking:
    site = site_of(request)
    return Linking(site.store, site.world, principal_of(request))


def _act(item: str, data: Mapping[str, Any]) -> LinkAct:
    """What the form asks for. Raises ``NeedsPerson`` for what there is not."""
    kind, policy = str(data.get("kind", "")), str(data.get("policy", ""))
    if kind not in set(ActKind) or policy not in {"", *POLICIES}:
        raise NeedsPerson("Say what is to be done.")
    return LinkAct(
        kind=ActKind(kind),
        item=item,
        link=str(data.get("link", ""))[:100],
        other=str(data.get("other", ""))[:100],
        policy=MergePolicy(policy) if policy else None,
    )


@get("/records/{item:str}/links")
async def links(item: FromPath[str], request: Call) -> Response[Any]:
    """What belongs to the record, and what is found that may."""
    site, linking = site_of(request), _linking(request)
    found = await site.reads.item_with_links(item)
    if found is None:
        raise NotFoundException
    text = request.query_params.get("q", "").strip()[:200]
    mine = [link for link in found.links if (link.flow, link.system) in site.world.lenses]
    return render(
        request,
        "links.html",
        item=found.item,
        links=mine,
        live=[link for link in mine if link.state is LinkState.LINKED],
        q="",
        looked_for=text,
        records=await linking.find(found.item, text),
        alike=await linking.alike(found.item, text) if text else [],
        merged=await linking.merged(item),
        now=clock(),
    )


@get("/records/{item:str}/links/preview")
async def preview(item: FromPath[str], request: Call) -> Response[Any]:
    """What an act would do."""
    return await _preview(request, _act(item, request.query_params))


async def _preview(request: Call, act: LinkAct, problem: NeedsPerson | None = None) -> Response[Any]:
    site = site_of(request)
    plan = await _linking(request).preview(act)
    items = await site.reads.items({act.item, act.other} - {""})
    known = (await site.reads.links([act.link])).get(act.link) if act.link else None
    return render(
        request,
        "link_act.html",
        status=409 if problem is not None else 200,
        act=act,
        plan=plan,
        item=items[act.item],
        other=items.get(act.other),
        link=known,
        titles=dict(plan.titles) | {id: title_of(one) for id, one in items.items()},
        policies=POLICIES,
        problem=problem,
    )


@post("/records/{item:str}/links", status_code=303)
async def change_links(item: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Do what was shown; when things have moved since, show what it would do now."""
    act = _act(item, data)
    try:
        plan = await _linking(request).carry_out(act, stamp=str(data.get("stamp", "")))
    except Conflict as problem:
        return await _preview(request, act, problem)
    return Redirect(f"/records/{plan.item}", status_code=303)


ROUTES = [links, preview, change_links]
