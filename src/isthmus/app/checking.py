"""``check``: do the examples hold, and do the systems have what the flows name?"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from isthmus.app.bootstrap import wanted_custom_fields
from isthmus.app.openid import BACK, SIGNED_OUT, OpenIdProvider
from isthmus.connector import Preparable, System
from isthmus.errors import IsthmusError
from isthmus.mapping import Refs, compile_lens
from isthmus.model.flow import Use
from isthmus.project import Project
from isthmus.sync.world import World

__all__ = ["LiveCheck", "check_examples", "check_live", "check_sign_in"]


class LiveCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a system said."""

    system: str
    product: str = ""
    version: str = ""
    user: str = ""
    problem: str = ""
    unknown: Sequence[str] = ()
    """Far fields named in flows that the system does not have."""
    notes: Sequence[str] = ()


def check_examples(project: Project, only: str | None = None) -> list[str]:
    """Run the examples of the flow files (``only`` those of one flow); one sentence per example that does not hold."""
    failures: list[str] = []
    for example in project.examples:
        if only not in (None, example.flow):
            continue
        flow = project.flows[example.flow]
        for system, record in example.far.items():
            lens = compile_lens(flow, system, project.flows, project.converters)
            got = lens.get("example", record, Refs(), created=False)
            for name, problem in got.problems.items():
                failures.append(f"{example.place}: {system}: {name}: {problem.message}")
            for name, value in got.fields.items():
                if name in example.hub and lens.view(name, example.hub[name]) != value:
                    failures.append(
                        f"{example.place}: {system} gives {name} = {value!r}, the example says {example.hub[name]!r}."
                    )
            known = {n: v for n, v in example.hub.items() if n in lens.writable and lens.exprs[n].use is not Use.CREATE}
            changed = lens.put(known, record, Refs()).fields
            if changed:
                failures.append(
                    f"{example.place}: {system} would be written ({', '.join(changed)}) though it is equal."
                )
    return failures


async def check_live(
    project: Project, name: str, open_system: Callable[[Project, str], Awaitable[System | IsthmusError]]
) -> LiveCheck:
    """Reach one system and hold the flows' field names against its own. Changes nothing."""
    opened = await open_system(project, name)
    if isinstance(opened, IsthmusError):
        return LiveCheck(system=name, problem=str(opened))
    try:
        info = await opened.check()
        unknown = await _unknown_fields(project, name, opened)
        notes = list(info.warnings)
        if isinstance(opened, Preparable):
            world = World(project.flows, project.converters, project.entities)
            notes += [
                f"custom field {field} will be made"
                for field in await opened.missing(wanted_custom_fields(world, name))
            ]
        return LiveCheck(
            system=name, product=info.product, version=info.version, user=info.user, unknown=unknown, notes=notes
        )
    except IsthmusError as error:
        return LiveCheck(system=name, problem=str(error))
    finally:
        await opened.close()


async def check_sign_in(project: Project) -> LiveCheck | None:
    """Reach the OpenID provider, and say what must be registered there; None when the project has none. Whether it
    takes the hub's secret shows only when somebody signs in."""
    settings = project.sign_in.provider
    if settings is None:
        return None
    problem, address = "", project.hub.own_address
    try:
        await OpenIdProvider(settings).check()
    except IsthmusError as error:
        problem = str(error)
    notes = () if problem else (f"must lead back to {address}{BACK}", f"after signing out to {address}{SIGNED_OUT}")
    return LiveCheck(system="sign_in", product=settings.issuer, user=settings.client_id, problem=problem, notes=notes)


async def _unknown_fields(project: Project, name: str, system: System) -> list[str]:
    found: list[str] = []
    resources = system.resources()
    for flow in project.flows.values():
        side = flow.sides.get(name)
        if side is None:
            continue
        if side.resource not in resources:
            near = difflib.get_close_matches(side.resource, resources, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            found.append(f"{flow.place}: {name} has no '{side.resource}'.{hint}")
            continue
        known = await resources[side.resource].fields()
        lens = compile_lens(flow, name, project.flows, project.converters)
        for field in sorted(lens.far_fields - set(known)):
            near = difflib.get_close_matches(field, known, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            found.append(f"{flow.place}: {name} {side.resource} has no field '{field}'.{hint}")
    return found
