"""``unlink``, ``link``, ``separate``, ``merge`` and ``part``: links by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.access import Principal
from isthmus.app.bootstrap import open_store
from isthmus.app.linking import ActKind, LinkAct, Linking, LinkPlan
from isthmus.app.record_view import field_roles
from isthmus.cli.opened import ByOption, who
from isthmus.cli.show import JsonOption, ProjectOption, console, print_json, run, value_text
from isthmus.errors import Ambiguous, NeedsPerson
from isthmus.model.flow import MergePolicy
from isthmus.model.state import Link
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["link", "merge", "part", "separate", "unlink"]

DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")]
FlowOption = Annotated[str | None, typer.Option("--flow", help="When several flows use this record: which link.")]
SystemArgument = Annotated[str, typer.Argument(help="System of the record.")]
ResourceArgument = Annotated[str, typer.Argument(help="Its resource.")]
KeyArgument = Annotated[str, typer.Argument(help="Its key there.")]
ItemArgument = Annotated[str, typer.Argument(help="Item of the hub (isthmus explain names it).")]


def unlink(
    system: SystemArgument,
    resource: ResourceArgument,
    key: KeyArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    dry: DryOption = False,
    flow: FlowOption = None,
    by: ByOption = None,
) -> None:
    """Set a record apart: it is kept out of step and left as it is, until it is linked again."""
    _work(project, json, dry, by, ActKind.UNLINK, record=(system, resource, key), flow=flow)


def link(
    item: ItemArgument,
    system: SystemArgument,
    resource: ResourceArgument,
    key: KeyArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    dry: DryOption = False,
    flow: FlowOption = None,
    by: ByOption = None,
) -> None:
    """Let a record that the hub has read belong to an item; what is linked there now is set apart."""
    _work(project, json, dry, by, ActKind.LINK, item=item, record=(system, resource, key), flow=flow)


def separate(
    system: SystemArgument,
    resource: ResourceArgument,
    key: KeyArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    dry: DryOption = False,
    flow: FlowOption = None,
    by: ByOption = None,
) -> None:
    """Give a record that was linked wrongly an item of its own."""
    _work(project, json, dry, by, ActKind.SEPARATE, record=(system, resource, key), flow=flow)


def merge(
    item: ItemArgument,
    other: Annotated[str, typer.Argument(help="The item that becomes one with it.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    dry: DryOption = False,
    second: Annotated[
        MergePolicy | None, typer.Option("--second", help="A second record in a system; else as the flow says.")
    ] = None,
    by: ByOption = None,
) -> None:
    """Make two items one. The first one's values stay; what it lacks it gets from the other."""
    _work(project, json, dry, by, ActKind.MERGE, item=item, other=other, policy=second)


def part(
    item: ItemArgument,
    other: Annotated[str, typer.Argument(help="The item that was merged into it.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    dry: DryOption = False,
    by: ByOption = None,
) -> None:
    """Take a merge back: the other item lives again with the values and records it had."""
    _work(project, json, dry, by, ActKind.PART, item=item, other=other)


def _work(
    project: Path,
    json: bool,
    dry: bool,
    by: str | None,
    kind: ActKind,
    *,
    item: str = "",
    other: str = "",
    policy: MergePolicy | None = None,
    record: tuple[str, str, str] | None = None,
    flow: str | None = None,
) -> None:
    async def work() -> LinkPlan:
        async with open_store(project) as (found, store):
            world = World(found.flows, found.converters, found.entities)
            roles = {role for one in world.flows.values() for role in field_roles(world, one.entity.name).values()}
            me = Principal(login=who(by), name=who(by), roles=frozenset(roles))
            named = await _link_of(Reads(store), record, flow) if record is not None else None
            act = LinkAct(
                kind=kind,
                item=item or (named.item if named is not None else "") or "",
                other=other,
                link=named.id if named is not None else "",
                policy=policy,
            )
            linking = Linking(store, world, me)
            return await (linking.preview(act) if dry else linking.carry_out(act))

    plan = run(work())
    if json:
        print_json(plan)
    else:
        _show(plan, dry)


async def _link_of(reads: Reads, record: tuple[str, str, str], flow: str | None) -> Link:
    """The link of this record. Raises ``NeedsPerson`` for none, ``Ambiguous`` for several."""
    found = [one for one in await reads.links_of_record(*record) if flow in (None, one.flow)]
    if not found:
        raise NeedsPerson(
            f"The hub has not taken in {' '.join(record)}.", advice="See: isthmus explain SYSTEM RESOURCE KEY"
        )
    if len(found) > 1:
        raise Ambiguous(
            f"{len(found)} flows use this record.", advice=f"--flow {' or '.join(one.flow for one in found)}"
        )
    return found[0]


def _show(plan: LinkPlan, dry: bool) -> None:
    for item, fields in plan.changes.items():
        for name, (old, new) in fields.items():
            _say(f"hub {plan.titles.get(item, item)}: {name}: {value_text(old)} → {value_text(new)}")
    for one in plan.writes:
        _say(f"{one.kind} {one.system} {one.resource} {one.key or '(new)'} {one.name}")
        for name, (old, new) in one.fields.items():
            _say(f"    {name}: {value_text(old)} → {value_text(new)}")
    for place in plan.apart:
        _say(f"set apart: {place}")
    for text in plan.questions:
        _say(f"? {text}")
    _say("Nothing was done." if dry else f"Done. The running hub, or the next sync, goes on from there ({plan.item}).")


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)
