"""All commands."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus import __version__
from isthmus.cli import (
    answers,
    approving,
    comparing,
    flow,
    goods_return,
    inbox,
    lab,
    linking,
    noticing,
    order,
    organisation,
    people,
    process,
    project,
    quote,
    request,
    running,
    settlement,
    simulating,
    syncing,
    system,
)

__all__ = ["app"]

app = typer.Typer(
    name="isthmus",
    help="Keeps CRM, ERP and their neighbours in step, and says why when they are not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isthmus {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Keeps CRM, ERP and their neighbours in step, and says why when they are not."""


app.command("init")(project.init)
app.command("check")(project.check)
app.command("plan")(syncing.plan)
app.command("sync")(syncing.sync)
app.command("run")(running.run_hub)
app.command("web")(running.web)
app.command("worker")(running.worker)
app.command("stop")(running.stop)
app.command("archive")(running.archive)
app.command("status")(answers.status)
app.command("explain")(answers.explain)
app.command("trace")(answers.trace)
app.command("compare")(comparing.compare)
app.command("retry")(inbox.retry)
app.command("unlink")(linking.unlink)
app.command("link")(linking.link)
app.command("separate")(linking.separate)
app.command("merge")(linking.merge)
app.command("part")(linking.part)
app.add_typer(system.app, name="system", help="The far systems: how they do, pausing them.")
app.add_typer(inbox.app, name="inbox", help="Where people decide.")
app.add_typer(flow.app, name="flow", help="Versions of flows: look back, look ahead, go back.")
app.add_typer(process.app, name="process", help="Steps across systems over time.")
app.add_typer(order.app, name="order", help="Orders at the ERP's price, stock and credit.")
app.add_typer(organisation.app, name="organisation", help="Head office, centres and stations.")
app.add_typer(quote.app, name="quote", help="What customers are offered.")
app.add_typer(request.app, name="request", help="What stations ask for.")
app.add_typer(goods_return.app, name="return", help="What stations send back.")
app.add_typer(settlement.app, name="settlement", help="Repairs of stations, and paying for them.")
app.add_typer(approving.app, name="approve", help="What people must approve. (Brakes are approved in the inbox.)")
app.add_typer(approving.delegations, name="delegation", help="Who answers for whom.")
app.add_typer(noticing.app, name="notice", help="Mail to customers and staff.")
app.add_typer(people.user_app, name="user", help="Who may sign in to the console.")
app.add_typer(people.token_app, name="token", help="What programs may do in a person's name.")
app.add_typer(people.audit_app, name="audit", help="What people did.")
app.add_typer(lab.app, name="lab", help="The real systems of the lab.")
app.add_typer(project.new, name="new", help="Start something of your own.")
app.command("demo")(lab.demo)
app.command("simulate")(simulating.simulate_company)
