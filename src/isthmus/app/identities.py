"""Whose account at the OpenID provider it is, and what they may do here.

A person is found by issuer and subject, which never change hands. A mail address does; it counts once, at the first
sign-in, when the provider has verified it and the project wants it so.
"""

from __future__ import annotations

from isthmus.app.access import Access
from isthmus.app.bootstrap import clock
from isthmus.app.openid import Identity
from isthmus.errors import NeedsPerson, SignInRefused
from isthmus.project import OpenIdSettings
from isthmus.store import Person

__all__ = ["enter", "roles_of"]


def roles_of(settings: OpenIdSettings, groups: frozenset[str]) -> list[str]:
    """The roles that these groups have here."""
    return sorted({role for group in groups for role in settings.roles.get(group, ())})


async def enter(
    access: Access, settings: OpenIdSettings, who: Identity, *, address: str, agent: str, language: str = "en"
) -> str:
    """The secret of a new session. Where the project maps groups, roles are what the provider says now, and somebody
    new is added; else people and roles are an administrator's. Raises ``SignInRefused``."""
    roles = roles_of(settings, who.groups)
    login = await access.people.login_of(who.issuer, who.subject)
    if settings.roles and not roles:
        await _strip(access, login)
        raise SignInRefused("entitled", "None of the provider's groups has a role here.")
    person = await access.people.person(login) if login is not None else None
    if person is None:
        person = await _met(access, settings, who, roles, language)
    if person.disabled_at is not None:
        raise SignInRefused("disabled", f"{person.login} is disabled.")
    if settings.roles and set(roles) != set(person.roles):
        await access.set_roles(person.login, roles, by=settings.issuer)
    return await access.begin(person.login, address=address, agent=agent, id_token=who.id_token)


async def _strip(access: Access, login: str | None) -> None:
    """Who lost their groups keeps nothing here either: no role, no session, and tokens that may do nothing."""
    person = await access.people.person(login) if login is not None else None
    if person is not None and person.roles:
        await access.set_roles(person.login, [], by="provider")
        await access.people.end_sessions(person.login)


async def _met(access: Access, settings: OpenIdSettings, who: Identity, roles: list[str], language: str) -> Person:
    """Somebody at their first sign-in."""
    if not who.email:
        raise SignInRefused("mail", "The provider has not verified a mail address.")
    person = await access.people.person(who.email)
    if person is None:
        if not settings.roles:
            raise SignInRefused("unknown", f"Nobody has the login {who.email}.")
        try:
            person = await access.add_person(who.email, who.name, roles, None, by=settings.issuer, language=language)
        except NeedsPerson as error:
            raise SignInRefused("mail", error.message) from error
    elif person.disabled_at is not None:
        return person
    elif person.customer is not None or not settings.link_by_email:
        raise SignInRefused("taken", f"{who.email} is somebody here who was not added by the provider.")
    await access.note(person.login, "account linked", person.login, {"issuer": who.issuer, "subject": who.subject})
    if not await access.people.add_identity(who.issuer, who.subject, person.login, clock()):
        raise SignInRefused("taken", f"{person.login} has another account at the provider.")
    return person
