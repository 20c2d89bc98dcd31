"""People who use the hub's faces: logins, sessions, tokens, and the audit log of what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from isthmus.store.codec import from_row, payload
from isthmus.store.reads import Rows

__all__ = ["ApiToken", "AuditEntry", "People", "Person", "WebSession"]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in."""

    login: str
    """Mail address, in lower case."""
    name: str
    language: str
    """en or zh."""
    theme: str
    """auto, light or dark."""
    roles: list[str]
    password: str | None
    """Argon2 hash; None: no password."""
    made_at: datetime
    disabled_at: datetime | None
    customer: str | None = None
    """Item of the customer they belong to; None: staff."""

    def __repr__(self) -> str:
        return f"Person(login={self.login!r}, roles={self.roles!r})"


class WebSession(msgspec.Struct, frozen=True, kw_only=True):
    """A browser in which somebody is signed in."""

    digest: bytes
    login: str
    made_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a program may do in somebody's name."""

    id: str
    login: str
    name: str
    scopes: list[str]
    made_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person did, or tried."""

    seq: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    digest: str


class People:
    """Reads and writes over a ``PostgresStore``. Digests are of secrets that are stored nowhere."""

    def __init__(self, store: Rows) -> None:
        self._store = store

    async def save(self, person: Person) -> None:
        """Add a person, or change one (all but ``made_at``)."""
        await self._store.rows("save_person", msgspec.structs.asdict(person))

    async def person(self, login: str) -> Person | None:
        """The person of this login."""
        return self._first(Person, await self._store.rows("person", {"login": login}))

    async def people(self) -> list[Person]:
        """Everybody, the disabled last."""
        return [from_row(Person, row) for row in await self._store.rows("people", {})]

    async def add_session(
        self,
        digest: bytes,
        login: str,
        *,
        made_at: datetime,
        expires_at: datetime,
        address: str,
        agent: str,
        id_token: str | None = None,
    ) -> None:
        """Begin a session; those that have run out are forgotten. One with an ``id_token`` does not last on by use."""
        await self._store.rows(
            "add_session",
            {
                "digest": digest,
                "login": login,
                "made_at": made_at,
                "expires_at": expires_at,
                "address": address,
                "agent": agent,
                "id_token": id_token,
            },
        )

    async def login_of(self, issuer: str, subject: str) -> str | None:
        """Whose account at a provider it is."""
        rows = await self._store.rows("identity", {"issuer": issuer, "subject": subject})
        return str(rows[0][0]) if rows else None

    async def linked(self) -> frozenset[str]:
        """Logins of everybody who has an account at a provider."""
        return frozenset(str(login) for (login,) in await self._store.rows("linked", {}))

    async def forget_identities(self, login: str) -> int:
        """No account at a provider is this person's any more; how many were."""
        return len(await self._store.rows("forget_identities", {"login": login}))

    async def add_identity(self, issuer: str, subject: str, login: str, made_at: datetime) -> bool:
        """Remember whose account it is; False when the account or the person has another one already."""
        values = {"issuer": issuer, "subject": subject, "login": login, "made_at": made_at}
        return bool(await self._store.rows("add_identity", values))

    async def id_token_of_session(self, digest: bytes) -> str | None:
        """What the provider said when the session began; None for one that began with a password."""
        rows = await self._store.rows("id_token_of_session", {"digest": digest})
        return rows[0][0] if rows else None

    async def person_of_session(self, digest: bytes, now: datetime) -> Person | None:
        """Who is signed in by it; None when it has ended or the person is disabled."""
        return self._first(Person, await self._store.rows("person_of_session", {"digest": digest, "now": now}))

    async def touch_session(self, digest: bytes, now: datetime, expires_at: datetime) -> None:
        """It is in use: it lasts until ``expires_at``."""
        await self._store.rows("touch_session", {"digest": digest, "now": now, "expires_at": expires_at})

    async def sessions(self, now: datetime, login: str | None = None) -> list[WebSession]:
        """Living sessions, the latest used first."""
        found = await self._store.rows("sessions", {"login": login, "now": now})
        return [from_row(WebSession, row) for row in found]

    async def end_session(self, digest: bytes) -> None:
        """Sign out."""
        await self._store.rows("end_session", {"digest": digest})

    async def end_sessions(self, login: str) -> None:
        """Sign a person out everywhere."""
        await self._store.rows("end_sessions", {"login": login})

    async def add_token(self, token: ApiToken, digest: bytes) -> None:
        """Keep a new token."""
        await self._store.rows("add_token", {**msgspec.structs.asdict(token), "digest": digest})

    async def tokens(self) -> list[ApiToken]:
        """All tokens, the revoked last."""
        return [from_row(ApiToken, row) for row in await self._store.rows("tokens", {})]

    async def token_by_secret(self, digest: bytes, now: datetime) -> ApiToken | None:
        """The token with this secret, when it is valid; notes that it is in use."""
        found = self._first(ApiToken, await self._store.rows("token_by_secret", {"digest": digest, "now": now}))
        if found is not None:
            await self._store.rows("touch_token", {"id": found.id, "now": now})
        return found

    async def revoke_token(self, id: str, now: datetime) -> bool:
        """End a token; False when there is none or it had ended."""
        return bool(await self._store.rows("revoke_token", {"id": id, "now": now}))

    async def append_audit(
        self, at: datetime, who: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> int:
        """Add an entry to the audit log; its number."""
        values = {"at": at, "who": who, "action": action, "subject": subject, "detail": payload(detail or {})}
        return int((await self._store.rows("append_audit", values))[0][0])

    async def audit(self, limit: int = 100, before: int | None = None, who: str | None = None) -> list[AuditEntry]:
        """Entries, the newest first, those before a number."""
        rows = await self._store.rows("audit", {"limit": limit, "before": before, "who": who})
        return [from_row(AuditEntry, row) for row in rows]

    async def audit_faults(self) -> list[int]:
        """Numbers of the first entries that were altered, or whose predecessor is missing."""
        return [seq for (seq,) in await self._store.rows("audit_faults", {})]

    async def audit_end(self, seq: int | None = None) -> tuple[int, str] | None:
        """Number and digest of the last entry, or of that one."""
        rows: Sequence[tuple[Any, ...]] = await self._store.rows("audit_end", {"seq": seq})
        return (int(rows[0][0]), str(rows[0][1])) if rows else None

    @staticmethod
    def _first[S: msgspec.Struct](struct: type[S], rows: Sequence[tuple[Any, ...]]) -> S | None:
        return from_row(struct, rows[0]) if rows else None
