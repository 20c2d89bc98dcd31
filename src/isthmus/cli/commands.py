"""Which module has which command. A command's module, and all that it needs, is imported when the command is called
for, so that a short one does not wait for what only ``isthmus run`` uses."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec
import typer
from typer.core import TyperGroup

__all__ = ["COMMANDS", "Commands", "Place"]


class Place(msgspec.Struct, frozen=True):
    """Where a command, or a group of them, is."""

    module: str
    name: str
    help: str | None = None
    """Of a group."""


COMMANDS = {
    "init": Place("project", "init"),
    "check": Place("project", "check"),
    "plan": Place("syncing", "plan"),
    "sync": Place("syncing", "sync"),
    "run": Place("running", "run_hub"),
    "web": Place("running", "web"),
    "worker": Place("working", "worker"),
    "stop": Place("working", "stop"),
    "archive": Place("working", "archive"),
    "status": Place("answers", "status"),
    "explain": Place("answers", "explain"),
    "trace": Place("answers", "trace"),
    "compare": Place("comparing", "compare"),
    "retry": Place("inbox", "retry"),
    "unlink": Place("linking", "unlink"),
    "link": Place("linking", "link"),
    "separate": Place("linking", "separate"),
    "merge": Place("linking", "merge"),
    "part": Place("linking", "part"),
    "demo": Place("lab", "demo"),
    "simulate": Place("simulating", "simulate_company"),
    "system": Place("system", "app", "The far systems: how they do, pausing them."),
    "inbox": Place("inbox", "app", "Where people decide."),
    "flow": Place("flow", "app", "Versions of flows: look back, look ahead, go back."),
    "process": Place("process", "app", "Steps across systems over time."),
    "order": Place("order", "app", "Orders at the ERP's price, stock and credit."),
    "organisation": Place("organisation", "app", "Head office, centres and stations."),
    "quote": Place("quote", "app", "What customers are offered."),
    "request": Place("request", "app", "What stations ask for."),
    "return": Place("goods_return", "app", "What stations send back."),
    "settlement": Place("settlement", "app", "Repairs of stations, and paying for them."),
    "approve": Place("approving", "app", "What people must approve. (Brakes are approved in the inbox.)"),
    "delegation": Place("approving", "delegations", "Who answers for whom."),
    "notice": Place("noticing", "app", "Mail to customers and staff."),
    "user": Place("people", "user_app", "Who may sign in to the console."),
    "token": Place("people", "token_app", "What programs may do in a person's name."),
    "audit": Place("people", "audit_app", "What people did."),
    "lab": Place("lab", "app", "The real systems of the lab."),
    "new": Place("project", "new", "Start something of your own."),
}
"""In the order in which they are shown."""


class Commands(TyperGroup):
    """The commands of :data:`COMMANDS`, each made when it is called for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, without importing anything."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name. For an unknown one all are made, so that the nearest can be named."""
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.commands[name] = _made(name, COMMANDS[name])
        return super().get_command(ctx, cmd_name)


def _made(name: str, place: Place) -> Any:
    found = getattr(import_module(f"isthmus.cli.{place.module}"), place.name)
    parent = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name, help=place.help)
    else:
        parent.command(name)(found)
    return typer.main.get_group(parent).commands[name]
