"""Changing one field of a record, and taking a change back. A refused form comes back with all that was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.editing import Editing, FieldForm
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import Conflict, NeedsPerson

__all__ = ["ROUTES"]

PART = "part."
MULTILINE = ("description", "comment", "notes")
"""Texts that people write in lines."""


def _editing(request: Call) -> Editing:
    site = site_of(request)
    return Editing(site.store, site.world, principal_of(request))


def _version(data: Mapping[str, Any]) -> int:
    """The version that the person saw; one that never was when the form does not say."""
    given = str(data.get("version", ""))
    return int(given) if given.isdecimal() and len(given) < 10 else -1


def _form(
    request: Call, form: FieldForm, typed: Mapping[str, str] | None = None, problem: NeedsPerson | None = None
) -> Response[str]:
    return render(
        request,
        "field.html",
        status=200 if problem is None else 409 if isinstance(problem, Conflict) else 422,
        form=form,
        typed=typed,
        problem=problem,
        faster=isinstance(problem, Conflict),
        multiline=MULTILINE,
        set_by=form.item.set_by.get(form.name),
        now=clock(),
    )


@get("/records/{item:str}/fields/{field:str}")
async def field(item: FromPath[str], field: FromPath[str], request: Call) -> Response[Any]:
    """One field to be changed."""
    form = await _editing(request).form(item, field)
    if form is None:
        raise NotFoundException
    return _form(request, form)


@post("/records/{item:str}/fields/{field:str}", status_code=303)
async def change_field(item: FromPath[str], field: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Set it to what was typed."""
    given = {name.removeprefix(PART): str(text) for name, text in data.items() if name.startswith(PART)}
    editing = _editing(request)
    try:
        await editing.edit(item, field, given, expected=_version(data))
    except NeedsPerson as problem:
        form = await editing.form(item, field)
        if form is None:
            raise NotFoundException from problem
        return _form(request, form, given, problem)
    return Redirect(f"/records/{item}", status_code=303)


async def _undo(request: Call, item: str, version: int, problem: NeedsPerson | None = None) -> Response[str]:
    plan = await _editing(request).undo(item, version)
    if plan is None:
        raise NotFoundException
    status = 200 if problem is None else 409 if isinstance(problem, Conflict) else 422
    return render(request, "undo.html", status=status, plan=plan, problem=problem, now=clock())


@get("/records/{item:str}/undo/{version:int}")
async def undo(item: FromPath[str], version: FromPath[int], request: Call) -> Response[str]:
    """What taking back a change would do."""
    return await _undo(request, item, version)


@post("/records/{item:str}/undo/{version:int}", status_code=303)
async def take_back(item: FromPath[str], version: FromPath[int], request: Call, data: Form) -> Response[Any]:
    """Give the ticked fields their earlier values again."""
    names = [str(one) for one in (await request.form()).getall("field", [])]
    try:
        await _editing(request).take_back(item, version, names, expected=_version(data))
    except NeedsPerson as problem:
        return await _undo(request, item, version, problem)
    return Redirect(f"/records/{item}", status_code=303)


ROUTES = [field, change_field, undo, take_back]
