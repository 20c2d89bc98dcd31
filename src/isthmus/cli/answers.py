"""``status``, ``explain``, ``trace``: answers, nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import typer
from rich.tree import Tree

from isthmus.app.bootstrap import clock, open_store
from isthmus.app.explain import Answer
from isthmus.app.explain import explain as explain_record
from isthmus.app.quota_watch import QuotaLine
from isthmus.app.summary import StatusReport, status_report
from isthmus.app.tracing import Trace, TraceNode
from isthmus.app.tracing import trace as trace_document
from isthmus.cli.show import Exit, JsonOption, ProjectOption, age, console, print_json, run, table, value_text
from isthmus.connector.quota import WAIT
from isthmus.desk.ledger import surplus
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["explain", "status", "trace"]

LINE = ("quantity", "shipped", "returned", "open", "invoiced", "credited", "amount")
"""What is told of a document's line, where it is not nothing."""


def status(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Lag and freshness per flow and direction, and what waits for a person."""

    async def work() -> StatusReport:
        async with open_store(project) as (found, store):
            now = clock()
            world = World(found.flows, found.converters, found.entities)
            return await status_report(Reads(store), world, now, now - timedelta(days=1))

    report = run(work())
    if json:
        print_json(report)
    else:
        show_status(report)
    raise typer.Exit(Exit.OK if report.healthy else Exit.DIFFERENT)


def show_status(report: StatusReport) -> None:
    """The report as tables."""
    fresh = {(f.flow, f.system): f for f in report.freshness}
    rows = []
    for line in report.lines:
        speed = fresh.get((line.flow, line.system))
        looked = "never" if line.looked_seconds is None else f"{line.looked_seconds:.0f} s ago"
        state = line.paused or line.failing or ("silent" if line.silent else "ok")
        rows.append(
            (
                line.flow,
                f"→ {line.system}",
                line.linked,
                line.waiting,
                f"{line.lag_seconds:.1f} s",
                looked,
                "–" if speed is None else f"{speed.median:.2f} / {speed.p95:.2f} s",
                line.parked + line.conflicts + line.doubtful,
                state,
            )
        )
    columns = ("flow", "into", "linked", "waiting", "lag", "looked", "change→write p50/p95", "for people", "state")
    console.print(table("Status", columns, rows))
    for one in report.workers:
        since = age(one.since, clock())
        console.print(f"{one.kind}: process {one.pid} on {one.host}, for {since}", markup=False, highlight=False)
    if not report.workers:
        console.print("No worker is alive: changes wait for 'isthmus run' or 'isthmus sync'.")
    for field in report.fields:
        used = f"; used by {', '.join(field.flows)}" if field.flows else ""
        what = f"{field.what} ({field.type})" if field.what != "vanished" else field.what
        console.print(
            f"{field.system} {field.resource}.{field.field} {what} {age(field.since, clock())} ago{used}",
            markup=False,
            highlight=False,
        )
    for quota in report.quotas:
        console.print(_quota_text(quota), markup=False, highlight=False, style="bold" if quota.low else None)
    for count in report.inbox:
        console.print(f"inbox: {count.entries} {count.kind} in {count.flow}, oldest {age(count.oldest, clock())}")


def _quota_text(quota: QuotaLine) -> str:
    """``erp: 12 of 100 calls left (minute), nearly used up; more in 20 s``."""
    if quota.name == WAIT:
        what = "asks us to wait"
    else:
        left = "unknown how many" if quota.left is None else str(quota.left)
        what = f"{left}{f' of {quota.most}' if quota.most is not None else ''} calls left"
        what += f" ({quota.name})" if quota.name else ""
    more = f"; more in {age(clock(), quota.renews_at)}" if quota.left is not None and quota.renews_at else ""
    return f"{quota.system}: {what}{', nearly used up' if quota.low else ''}{more}"


def explain(
    system: str,
    resource: str,
    key: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """Is this record in step, and if not, why, and what can you do?"""

    async def work() -> Answer:
        async with open_store(project) as (found, store):
            return await explain_record(Reads(store), found, system, resource, key, clock())

    answer = run(work())
    if json:
        print_json(answer)
    else:
        console.print(answer.sentence, markup=False, highlight=False, style="bold")
        if answer.advice:
            console.print(answer.advice, markup=False, highlight=False)
        for part in answer.parts:
            console.print(f"  {part.flow}: {part.sentence}", markup=False, highlight=False)
            for name, sides in part.fields.items():
                shown = ", ".join(f"{side}: {value_text(value)}" for side, value in sides.items())
                console.print(f"    {name}: {shown}", markup=False, highlight=False)
    raise typer.Exit(Exit.OK if answer.in_step else Exit.DIFFERENT)


def trace(document: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Follow a document across systems: opportunity → order → deliveries → invoices → payments, with times."""

    async def work() -> Trace:
        async with open_store(project) as (_, store):
            return await trace_document(Reads(store), document)

    found = run(work())
    if json:
        print_json(found)
    else:
        show_trace(found, document)
    raise typer.Exit(Exit.OK if found.roots else Exit.DIFFERENT)


def show_trace(found: Trace, document: str) -> None:
    """The documents as a tree, then their history."""
    if not found.roots:
        console.print(f"No document is known by '{document}'.", markup=False)
    for root in found.roots:
        console.print(_branch(root, None, found.names))
    for event in found.events:
        when = f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}"
        console.print(
            f"{when}  {event.kind} {event.document}: {event.what}  ({event.by})", markup=False, highlight=False
        )


def _branch(node: TraceNode, above: Tree | None, names: Mapping[str, str]) -> Tree:
    told = (
        "state",
        "shipment_state",
        "invoice_state",
        "net_total",
        "discount_total",
        "tax_total",
        "total",
        "amount",
        "open_amount",
        "planned_on",
        "shipped_on",
        "due_on",
        "paid_on",
    )
    facts = [f"{name.replace('_', ' ')} {value_text(node.fields[name])}" for name in told if name in node.fields]
    label = f"{node.kind} {node.name} · {' · '.join(facts)} · {'; '.join(node.records)}"
    tree = Tree(label, highlight=False) if above is None else above.add(label, highlight=False)
    for line in node.fields.get("lines") or []:
        parts = [f"{k} {line[k]}" for k in LINE if line.get(k) not in (None, "", "0")]
        what = names.get(line.get("product") or "") or line.get("description") or line.get("product") or "?"
        tree.add(f"{what}: {', '.join(parts)}", highlight=False)
    if node.ledger is not None and (node.ledger.billed or node.ledger.paid):
        books = node.ledger
        text = f"billed {books.billed}, paid {books.paid}, open by the ERP {books.reported_due}"
        if books.unexplained:
            text += f"; {books.unexplained} is not explained by the documents"
        tree.add(text, highlight=False)
    for row in node.ledger.lines if node.ledger is not None else ():
        for text in surplus(row):
            tree.add(text, highlight=False)
    for child in node.children:
        _branch(child, tree, names)
    return tree
