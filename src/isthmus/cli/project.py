"""``init``, ``check`` and ``new connector``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.app.bootstrap import open_system, read_project
from isthmus.app.checking import LiveCheck, check_examples, check_live, check_sign_in
from isthmus.app.scaffold import new_connector
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, errors, print_json, run, table
from isthmus.errors import IsthmusError
from isthmus.project import Answers, ProjectErrors, SystemAnswer, new_project

__all__ = ["check", "init", "new"]

new = typer.Typer(no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to make the project.")],
    json: JsonOption = False,
    crm_url: Annotated[str, typer.Option(help="Address of the CRM.")] = "https://crm.example.com",
    erp_url: Annotated[str, typer.Option(help="Address of the ERP.")] = "https://erp.example.com",
    erp_database: Annotated[str, typer.Option(help="The ERP's database.")] = "erp",
    erp_login: Annotated[str, typer.Option(help="The hub's login in the ERP.")] = "hub",
) -> None:
    """Make a project that joins a BottleCRM and a Tryton by the crm-erp pack; edit isthmus.toml for others."""
    answers = Answers(
        systems={
            "crm": SystemAnswer(kind="bottlecrm", values={"url": crm_url}, secrets={"token": "CRM_TOKEN"}),
            "erp": SystemAnswer(
                kind="tryton",
                values={"url": erp_url, "database": erp_database, "login": erp_login},
                secrets={"password": "ERP_PASSWORD"},
            ),
        },
        packs=("crm-erp",),
    )
    made = [str(path) for path in new_project(folder, answers)]
    if json:
        print_json({"files": made})
        return
    for name in made:
        console.print(name, markup=False)
    console.print("Next: set CRM_TOKEN and ERP_PASSWORD, then 'isthmus check --live' and 'isthmus plan' in there.")


def check(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    live: Annotated[bool, typer.Option("--live", help="Also reach the systems and compare fields with them.")] = False,
) -> None:
    """Check the project: every file, every name, every example; with --live also the systems. Changes nothing."""
    try:
        found = read_project(project)
    except ProjectErrors as broken:
        if json:
            print_json({"errors": [_error(error) for error in broken.errors]})
        else:
            for error in broken.errors:
                errors.print(str(error), markup=False, highlight=False)
        raise typer.Exit(Exit.USAGE) from None
    failures = check_examples(found)
    checks: list[LiveCheck] = []
    if live:

        async def work() -> list[LiveCheck]:
            systems = await asyncio.gather(*(check_live(found, name, open_system) for name in found.systems))
            provider = await check_sign_in(found)
            return [*systems, *([provider] if provider is not None else [])]

        checks = run(work())
    if json:
        print_json({"flows": list(found.flows), "systems": list(found.systems), "examples": failures, "live": checks})
    else:
        _show(found.flows, failures, checks)
    if any(one.problem for one in checks):
        raise typer.Exit(Exit.UNREACHABLE)
    if failures or any(one.unknown for one in checks):
        raise typer.Exit(Exit.DIFFERENT)


def _show(flows: Any, failures: list[str], checks: list[LiveCheck]) -> None:
    console.print(f"{len(flows)} flows are sound: {', '.join(flows)}.", markup=False)
    for failure in failures:
        errors.print(failure, markup=False)
    rows = [
        (one.system, one.product, one.version, one.user, one.problem or "; ".join([*one.unknown, *one.notes]) or "ok")
        for one in checks
    ]
    if rows:
        console.print(table("Systems", ("system", "product", "version", "user", "finding"), rows))


def _error(error: IsthmusError) -> dict[str, Any]:
    place = getattr(error, "place", None)
    return {
        "code": error.code,
        "place": str(place) if place else None,
        "message": error.message,
        "advice": error.advice,
    }


@new.command("connector")
def connector(
    name: str,
    folder: Annotated[Path, typer.Option(help="Where to put it.")] = Path(),
    json: JsonOption = False,
) -> None:
    """Start a connector of your own: a folder with everything, whose contract tests pass at once."""
    made = [str(path) for path in new_connector(name, folder)]
    if json:
        print_json({"files": made})
    else:
        for path in made:
            console.print(path, markup=False)
        console.print("Next: read docs/adding-a-connector.md; its tests run with 'pytest' in there.")
