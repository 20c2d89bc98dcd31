"""``user``, ``token`` and ``audit``: who may use the hub's faces, and what they did."""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.app.access import ROLES, Access
from isthmus.app.bootstrap import clock, open_store
from isthmus.cli.show import Exit, JsonOption, ProjectOption, age, console, print_json, run, table
from isthmus.errors import NeedsPerson
from isthmus.project import Project
from isthmus.store import ApiToken, AuditEntry, Person

__all__ = ["audit_app", "token_app", "user_app"]

user_app = typer.Typer(no_args_is_help=True)
token_app = typer.Typer(no_args_is_help=True)
audit_app = typer.Typer(no_args_is_help=True)

LoginArgument = Annotated[str, typer.Argument(help="Mail address.")]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]
GenerateOption = Annotated[bool, typer.Option("--generate", help="Make a password and print it once.")]


def _who() -> str:
    return f"{getpass.getuser()} (command line)"


def _with_access[T](project: Path, work: Callable[[Project, Access], Coroutine[Any, Any, T]]) -> T:
    async def inside() -> T:
        async with open_store(project) as (found, store):
            return await work(found, Access(store))

    return run(inside())


def _password(from_input: bool, generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(12)
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _known_roles(project: Project, roles: list[str]) -> list[str]:
    """The roles, when they are built in or named by a field of the project. Raises ``NeedsPerson``."""
    own = {rule.role for flow in project.flows.values() for rule in flow.fields.values() if rule.role is not None}
    known = [*ROLES, *sorted(own)]
    for role in roles:
        if role not in known:
            raise NeedsPerson(f"There is no role '{role}'.", advice=f"Roles: {', '.join(known)}.")
    return roles


def _shown(person: Person) -> dict[str, Any]:
    return {
        "login": person.login,
        "name": person.name,
        "language": person.language,
        "roles": person.roles,
        "customer": person.customer,
        "disabled": person.disabled_at is not None,
    }


@user_app.command("add")
def add_user(
    login: LoginArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    name: Annotated[str, typer.Option(help="As others see it; the login, when left out.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="Give it several times for several roles.")] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    password_stdin: PasswordOption = False,
    generate: GenerateOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in by the OpenID provider only.")
    ] = False,
    customer: Annotated[
        str,
        typer.Option(help="Number, name or item: a person of this customer, who may use the shop and nothing else."),
    ] = "",
) -> None:
    """Let somebody sign in: staff to the console, a person of a customer to the shop."""
    password = None if no_password else _password(password_stdin, generate)

    async def work(found: Project, access: Access) -> Person:
        roles = _known_roles(found, role or ["customer" if customer else "viewer"])
        belongs = await access.customer(customer) if customer else None
        return await access.add_person(
            login, name, roles, password, by=_who(), language=language, customer=belongs.id if belongs else None
        )

    person: Person = _with_access(project, work)
    if json:
        print_json(_shown(person) | ({"password": password} if generate else {}))
        return
    console.print(f"{person.login} may sign in: {', '.join(person.roles)}.", markup=False, highlight=False)
    if generate:
        console.print(f"Password, shown this once: {password}", markup=False, highlight=False)


@user_app.command("list")
def list_users(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Everybody who may sign in, and who no longer may."""

    async def work(_: Project, access: Access) -> list[Person]:
        return await access.people.people()

    people: list[Person] = _with_access(project, work)
    if json:
        print_json([_shown(person) for person in people])
        return
    rows = [(p.login, p.name, ", ".join(p.roles), p.language, "disabled" if p.disabled_at else "") for p in people]
    console.print(table("People", ("login", "name", "roles", "language", ""), rows))


@user_app.command("passwd")
def set_password(
    login: LoginArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    password_stdin: PasswordOption = False,
    generate: GenerateOption = False,
) -> None:
    """Set a new password; whoever is signed in with this login is signed out."""
    password = _password(password_stdin, generate)

    async def work(_: Project, access: Access) -> None:
        await access.set_password(login, password, by=_who())

    _with_access(project, work)
    if json:
        print_json({"login": login} | ({"password": password} if generate else {}))
    else:
        console.print(f"Password, shown this once: {password}" if generate else "Done.", markup=False, highlight=False)


@user_app.command("roles")
def set_roles(
    login: LoginArgument,
    roles: Annotated[list[str], typer.Argument(help="All the roles that the person has from now on.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """Give a person exactly these roles."""

    async def work(found: Project, access: Access) -> None:
        await access.set_roles(login, _known_roles(found, roles), by=_who())

    _with_access(project, work)
    _done(json, {"login": login, "roles": sorted(set(roles))}, f"{login}: {', '.join(roles)}.")


@user_app.command("disable")
def disable(
    login: LoginArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    back: Annotated[bool, typer.Option("--back", help="Let the person in again.")] = False,
) -> None:
    """Sign a person out everywhere, and let nobody in with this login any more."""

    async def work(_: Project, access: Access) -> None:
        await access.disable(login, by=_who(), back=back)

    _with_access(project, work)
    _done(json, {"login": login, "disabled": not back}, f"{login} {'may sign in again' if back else 'is out'}.")


@user_app.command("unlink")
def unlink(login: LoginArgument, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Forget which account at the OpenID provider is a person's; the next sign-in may link another."""

    async def work(_: Project, access: Access) -> None:
        await access.unlink(login, by=_who())

    _with_access(project, work)
    _done(json, {"login": login, "unlinked": True}, f"{login} has no account at the provider any more.")


@token_app.command("add")
def add_token(
    login: LoginArgument,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    scope: Annotated[list[str] | None, typer.Option(help="see, decide, approve, engineer or admin.")] = None,
    days: Annotated[int | None, typer.Option(help="Ends after so many days; never, when left out.")] = None,
) -> None:
    """Let a program act for a person; its secret is shown this once. It never may more than the person."""

    async def work(_: Project, access: Access) -> tuple[ApiToken, str]:
        return await access.add_token(login, name, scope or ["see"], by=_who(), days=days)

    token, secret = _with_access(project, work)
    _done(json, {"id": token.id, "scopes": token.scopes, "secret": secret}, f"{token.id}\nSecret: {secret}")


@token_app.command("list")
def list_tokens(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """All tokens, without their secrets."""

    async def work(_: Project, access: Access) -> Any:
        return await access.people.tokens()

    tokens: Any = _with_access(project, work)
    if json:
        print_json(tokens)
        return
    now = clock()
    rows = [
        (t.id, t.login, t.name, ", ".join(t.scopes), age(t.used_at, now), "revoked" if t.revoked_at else "")
        for t in tokens
    ]
    console.print(table("Tokens", ("id", "login", "for", "scopes", "used", ""), rows))


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="Its id.")], project: ProjectOption = Path(), json: JsonOption = False
) -> None:
    """End a token."""

    async def work(_: Project, access: Access) -> None:
        await access.revoke_token(token, by=_who())

    _with_access(project, work)
    _done(json, {"revoked": token}, "Revoked.")


@audit_app.command("list")
def list_audit(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    who: Annotated[str | None, typer.Option(help="Only what this login did.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """What people did, the newest first."""

    async def work(_: Project, access: Access) -> list[AuditEntry]:
        return await access.people.audit(limit, who=who)

    entries: list[AuditEntry] = _with_access(project, work)
    if json:
        print_json(entries)
        return
    rows = [(e.seq, f"{e.at:%Y-%m-%d %H:%M:%S}", e.who, e.action, e.subject) for e in entries]
    console.print(table("Audit log", ("no.", "when (UTC)", "who", "what", "about"), rows))


@audit_app.command("verify")
def verify_audit(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    expect: Annotated[
        str, typer.Option(help="NUMBER:DIGEST that an earlier check gave: proves that nothing was cut off since.")
    ] = "",
) -> None:
    """Prove that no entry of the audit log was altered or taken out."""

    async def work(_: Project, access: Access) -> Any:
        return await access.verify(expect)

    verdict: Any = _with_access(project, work)
    if json:
        print_json({"entries": verdict.entries, "faults": verdict.faults, "end": verdict.end})
    elif verdict.whole:
        console.print(f"{verdict.entries} entries, none altered.\n{verdict.end}", markup=False, highlight=False)
    else:
        console.print(f"Altered, or taken out before: {', '.join(map(str, verdict.faults))}", markup=False)
    raise typer.Exit(Exit.OK if verdict.whole else Exit.DIFFERENT)


def _done(json: bool, facts: dict[str, Any], text: str) -> None:
    if json:
        print_json(facts)
    else:
        console.print(text, markup=False, highlight=False)
