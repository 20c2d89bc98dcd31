"""Who may do what: people, their roles, sessions in browsers, tokens of programs, and the audit log.

``Access.by_session`` and ``Access.by_token`` give a :class:`Principal`; a face asks it ``may(permission)`` and nothing
else. Secrets (passwords, session secrets, tokens) are stored as hashes only.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec.structs import replace

from isthmus.app.bootstrap import clock, new_id
from isthmus.errors import Ambiguous, NeedsPerson
from isthmus.model.state import Item
from isthmus.store import ApiToken, People, Person, PostgresStore, Reads

__all__ = ["LANGUAGES", "ROLES", "SESSION_HOURS", "Access", "AuditVerdict", "Permission", "Principal"]

SESSION_HOURS = 12
"""A session ends after this long without use."""
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 500
LANGUAGES = ("en", "zh")
THEMES = ("auto", "light", "dark")
_MAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_TOKEN = "isth_"  # noqa: S105 - what our tokens begin with, so that scanners of secrets know them


class Permission(StrEnum):
    """What a route, or a token, may ask for."""

    SEE = "see"
    """Look at everything but what has a role of its own."""
    DECIDE = "decide"
    """Decide questions, retry, edit and undo, link and unlink; start comparisons and dry runs."""
    ORDER = "order"
    """Order for customers."""
    SHOP = "shop"
    """Use the portal: see and order for the one customer whom one belongs to."""
    APPROVE = "approve"
    """Let mass changes and requests pass."""
    ENGINEER = "engineer"
    """Pause systems, repair what a comparison found, change flows."""
    ADMIN = "admin"
    """People, tokens, sessions, the audit log."""


ROLES: Mapping[str, frozenset[Permission]] = {
    "viewer": frozenset({Permission.SEE}),
    "operator": frozenset({Permission.SEE, Permission.DECIDE}),
    "approver": frozenset({Permission.SEE, Permission.APPROVE}),
    "sales": frozenset({Permission.SEE, Permission.ORDER}),
    "customer": frozenset({Permission.SHOP}),
    "engineer": frozenset({Permission.SEE, Permission.DECIDE, Permission.ENGINEER}),
    "admin": frozenset({Permission.SEE, Permission.ADMIN}),
}
"""The built-in roles. A project's fields may name more (``role: cost``); those only show these fields."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever a request comes from."""

    login: str
    name: str
    language: str = "en"
    theme: str = "auto"
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    """What its token allows; None: a person's own session."""
    customer: str | None = None
    """Item of the customer whom a person outside the house belongs to."""

    def may(self, permission: Permission) -> bool:
        """Whether a role grants it, and the token (if it is one) does not take it away."""
        granted = any(permission in ROLES.get(role, ()) for role in self.roles)
        return granted and (self.scopes is None or permission in self.scopes)

    def sees(self, role: str | None) -> bool:
        """Whether values that need this role are shown; a token must name the role among its scopes."""
        return role is None or (role in self.roles and (self.scopes is None or role in self.scopes))


class AuditVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What checking the audit log came to."""

    entries: int
    faults: Sequence[int]
    """Numbers of entries that were altered or whose predecessor is missing."""
    end: str
    """``NUMBER:DIGEST`` of the last entry; kept elsewhere it also proves that nothing was cut off."""

    @property
    def whole(self) -> bool:
        """Nothing was altered."""
        return not self.faults


class Access:
    """The use cases. ``now`` is the clock; without ``passwords`` only people of customers sign in with one."""

    def __init__(self, store: PostgresStore, *, passwords: bool = True, now: Callable[[], datetime] = clock) -> None:
        self._store = store
        self.passwords = passwords
        self.people = People(store)
        self._now = now
        self._hasher = PasswordHasher()
        self._nobody: str | None = None

    # -- signing in ------------------------------------------------------------------------------------------------

    async def sign_in(self, login: str, password: str, *, address: str = "", agent: str = "") -> str | None:
        """The secret of a new session, or None. Takes as long for a login that nobody has."""
        login = login.strip().lower()
        person = await self.people.person(login)
        counts = person is not None and person.disabled_at is None and (self.passwords or person.customer is not None)
        hashed = person.password if person is not None and counts else None
        right = await asyncio.to_thread(self._verify, hashed, password[:LONGEST_PASSWORD])
        if not right or person is None:
            # An address that is nobody's may be a password typed into the wrong field.
            await self.note(login if person is not None else "", "sign-in refused", "", {"address": address})
            return None
        return await self.begin(login, address=address, agent=agent)

    async def begin(self, login: str, *, address: str, agent: str, id_token: str | None = None) -> str:
        """The secret of a new session of somebody who has proved who they are. One that a provider vouched for
        (``id_token``) ends after :data:`SESSION_HOURS` however much it is used."""
        secret, now = secrets.token_urlsafe(32), self._now()
        await self.people.add_session(
            _digest(secret),
            login,
            made_at=now,
            expires_at=now + timedelta(hours=SESSION_HOURS),
            address=address[:100],
            agent=agent[:300],
            id_token=id_token,
        )
        by = {} if id_token is None else {"by": "provider"}
        await self.note(login, "signed in", "", {"address": address, **by})
        return secret

    async def knows(self, login: str, password: str) -> bool:
        """Whether it is this person's password."""
        person = await self.people.person(login)
        hashed = person.password if person is not None else None
        return await asyncio.to_thread(self._verify, hashed, password[:LONGEST_PASSWORD])

    def _verify(self, hashed: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_urlsafe())
        try:
            self._hasher.verify(hashed or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    async def by_session(self, secret: str, *, in_use: bool = True) -> Principal | None:
        """Who is signed in with this secret; ``in_use`` makes the session last on."""
        if not secret:
            return None
        now, digest = self._now(), _digest(secret)
        person = await self.people.person_of_session(digest, now)
        if person is None:
            return None
        if in_use:
            await self.people.touch_session(digest, now, now + timedelta(hours=SESSION_HOURS))
        return _principal(person, None)

    async def by_login(self, login: str) -> Principal | None:
        """What this person may do now: for work that goes on after their request. None: nobody who may anything."""
        person = await self.people.person(login)
        return _principal(person, None) if person is not None and person.disabled_at is None else None

    async def sign_out(self, secret: str, by: str) -> str | None:
        """End a session; the ID token when a provider vouched for it, for signing out there too."""
        id_token = await self.people.id_token_of_session(_digest(secret))
        await self.people.end_session(_digest(secret))
        await self.note(by, "signed out", "")
        return id_token

    # -- programs --------------------------------------------------------------------------------------------------

    async def by_token(self, secret: str) -> Principal | None:
        """Whom a program acts for."""
        if not secret.startswith(_TOKEN):
            return None
        token = await self.people.token_by_secret(_digest(secret), self._now())
        person = await self.people.person(token.login) if token is not None else None
        if token is None or person is None or person.disabled_at is not None:
            return None
        return _principal(person, frozenset(token.scopes))

    async def add_token(
        self, login: str, name: str, scopes: Collection[str], *, by: str, days: int | None = None
    ) -> tuple[ApiToken, str]:
        """A new token and its secret, which nobody can ever see again. Raises ``NeedsPerson`` for an unknown login or
        scope."""
        person = await self._known(login)
        wrong = set(scopes) - set(Permission) - (set(person.roles) - set(ROLES))
        if wrong or not scopes:
            raise NeedsPerson(
                f"There is no scope '{min(wrong)}'." if wrong else "A token needs a scope.",
                advice=f"Scopes: {', '.join(Permission)}.",
            )
        secret, now = _TOKEN + secrets.token_urlsafe(32), self._now()
        token = ApiToken(
            id=new_id(),
            login=login,
            name=name,
            scopes=sorted(scopes),
            made_at=now,
            expires_at=now + timedelta(days=days) if days is not None else None,
            used_at=None,
            revoked_at=None,
        )
        await self.people.add_token(token, _digest(secret))
        await self.note(by, "token made", login, {"token": token.id, "name": name, "scopes": token.scopes})
        return token, secret

    async def revoke_token(self, id: str, *, by: str) -> None:
        """End a token. Raises ``NeedsPerson`` when it is unknown or has ended."""
        await self.note(by, "token revoked", id)
        if not await self.people.revoke_token(id, self._now()):
            raise NeedsPerson(f"There is no living token {id}.", advice="See: isthmus token list")

    # -- people ----------------------------------------------------------------------------------------------------

    async def add_person(
        self,
        login: str,
        name: str,
        roles: Collection[str],
        password: str | None,
        *,
        by: str,
        language: str = "en",
        customer: str | None = None,
    ) -> Person:
        """Somebody new; a person of a customer has the role ``customer`` and no other. Without a ``password`` they sign
        in by the provider only. Raises ``NeedsPerson`` for other roles, a login in use or no mail address, and a bad
        password."""
        login = login.strip().lower()
        _check_roles(customer, roles)
        if not _MAIL.fullmatch(login):
            raise NeedsPerson(f"'{login}' is no mail address.")
        if await self.people.person(login) is not None:
            raise NeedsPerson(f"{login} exists already.", advice="See: isthmus user list")
        person = Person(
            login=login,
            name=name.strip() or login,
            language=language if language in LANGUAGES else "en",
            theme="auto",
            roles=sorted(set(roles)),
            password=await self._hashed(password) if password is not None else None,
            made_at=self._now(),
            disabled_at=None,
            customer=customer,
        )
        detail = {"roles": person.roles} | ({"customer": customer} if customer is not None else {})
        await self.note(by, "person added", login, detail)
        await self.people.save(person)
        return person

    async def customer(self, text: str) -> Item:
        """The customer of this number, name or item. Raises ``NeedsPerson`` for none, ``Ambiguous`` when there
        are several."""
        reads = Reads(self._store)
        known = (await reads.items([text])).get(text)
        if known is not None and known.entity == "Customer":
            return known
        for field in ("number", "name"):
            found = await reads.items_by_field("Customer", field, text)
            if len(found) > 1:
                raise Ambiguous(f"There are {len(found)} customers whose {field} is '{text}'.", advice="Name the item.")
            if found:
                return found[0]
        raise NeedsPerson(f"There is no customer '{text}'.", advice="It must have arrived in the hub first.")

    async def set_password(self, login: str, password: str, *, by: str) -> None:
        """A new password; whoever is signed in with the old one is signed out."""
        person = await self._known(login)
        hashed = await self._hashed(password)
        await self.note(by, "password set", login)
        await self.people.save(replace(person, password=hashed))
        await self.people.end_sessions(login)

    async def set_roles(self, login: str, roles: Collection[str], *, by: str) -> None:
        """Exactly these roles from now on."""
        person = await self._known(login)
        _check_roles(person.customer, roles)
        await self.note(by, "roles set", login, {"before": person.roles, "after": sorted(set(roles))})
        await self.people.save(replace(person, roles=sorted(set(roles))))

    async def disable(self, login: str, *, by: str, back: bool = False) -> None:
        """Nobody signs in with this login any more, and who is signed in is out (``back``: the reverse)."""
        person = await self._known(login)
        await self.note(by, "person enabled" if back else "person disabled", login)
        await self.people.save(replace(person, disabled_at=None if back else self._now()))
        if not back:
            await self.people.end_sessions(login)

    async def unlink(self, login: str, *, by: str) -> None:
        """No account at an OpenID provider is this person's any more; who signed in by one is out. Raises
        ``NeedsPerson`` when there was none."""
        person = await self._known(login)
        await self.note(by, "account unlinked", person.login)
        if not await self.people.forget_identities(person.login):
            raise NeedsPerson(f"{person.login} has no account at a provider.", advice="See: isthmus user list")
        await self.people.end_sessions(person.login)

    async def prefer(self, login: str, *, language: str | None = None, theme: str | None = None) -> None:
        """Remember how somebody wants the pages; what is not on offer is left as it is."""
        person = await self._known(login)
        language = language if language in LANGUAGES else person.language
        theme = theme if theme in THEMES else person.theme
        await self.people.save(replace(person, language=language, theme=theme))

    async def _known(self, login: str) -> Person:
        person = await self.people.person(login.strip().lower())
        if person is None:
            raise NeedsPerson(f"Nobody has the login {login}.", advice="See: isthmus user list")
        return person

    async def _hashed(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise NeedsPerson(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
        return await asyncio.to_thread(self._hasher.hash, password)

    # -- the audit log ---------------------------------------------------------------------------------------------

    async def note(self, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> None:
        """Write into the audit log *before* it is done: no act without an entry."""
        await self.people.append_audit(self._now(), who, action, subject, detail)

    async def verify(self, expected: str = "") -> AuditVerdict:
        """Check the whole log. ``expected`` is the ``end`` of an earlier check: that entry must still be there."""
        faults = await self.people.audit_faults()
        last = await self.people.audit_end()
        if expected:
            number, _, digest = expected.partition(":")
            kept = await self.people.audit_end(int(number)) if number.isdecimal() else None
            if kept is None or kept[1] != digest:
                faults.append(int(number) if number.isdecimal() else 0)
        return AuditVerdict(
            entries=last[0] if last else 0, faults=faults, end=f"{last[0]}:{last[1]}" if last is not None else ""
        )


def _check_roles(customer: str | None, roles: Collection[str]) -> None:
    if set(roles) != {"customer"} if customer is not None else "customer" in roles:
        raise NeedsPerson("Who belongs to a customer has the role 'customer', and nobody else has it.")


def _principal(person: Person, scopes: frozenset[str] | None) -> Principal:
    return Principal(
        login=person.login,
        name=person.name,
        language=person.language,
        theme=person.theme,
        roles=frozenset(person.roles),
        scopes=scopes,
        customer=person.customer,
    )


def _digest(secret: str) -> bytes:
    """The secrets are random and long: a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()
