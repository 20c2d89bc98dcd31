"""JSON-RPC to one Tryton database: session, calls, warnings."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from isthmus.connector import HttpClient, Quota, Response
from isthmus.connectors.tryton.codec import decode, encode
from isthmus.connectors.tryton.refusals import Confirmation, refusal, status_error
from isthmus.errors import Misconfigured, Unauthorized, Unavailable, UnknownOutcome

__all__ = ["Rpc"]

_READ_BY_US = (401, 403, 503)
_MOST_WARNINGS = 10
"""A button that still warns after this many confirmations is not going to stop."""


class Rpc:
    """Calls to one database as one user.

    A session that Tryton has forgotten (status 401) is renewed once per call: the refused call had no effect.
    """

    def __init__(
        self, http: HttpClient, *, database: str, login: str, password: str, accept_warnings: Sequence[str] = ()
    ) -> None:
        self._http = http
        self._database = database
        self._login = login
        self._password = password
        self._accept = tuple(accept_warnings)
        self._path = f"/{database}/rpc/"
        self._session: str | None = None
        self._lock = asyncio.Lock()
        self._number = 0
        self._answered: set[str] = set()
        """Objects that have answered a call: this Tryton has them, whatever it says while it starts."""
        self.user = 0
        """Id of our user, once logged in."""
        self.context: dict[str, Any] = {}
        """Sent with every call: company, language and the like."""

    def quotas(self) -> Sequence[Quota]:
        """As ``Metered.quotas``."""
        return self._http.quotas()

    async def close(self) -> None:
        """Release connections."""
        await self._http.close()

    async def call(
        self,
        method: str,
        *params: Any,
        context: Mapping[str, Any] | None = None,
        safe: bool = True,
        accept: Sequence[str] = (),
    ) -> Any:
        """Call ``method`` (``model.party.party.read``) with our context laid under ``context``.

        ``safe`` False marks a write: a lost answer is then ``UnknownOutcome``. A warning that matches one of the
        accepted names, or of those that this call may ``accept`` besides, is confirmed and the call made again; any
        other is raised as ``Rejected``.
        """
        arguments = [*params, {**self.context, **(context or {})}]
        for _ in range(_MOST_WARNINGS):
            try:
                return await self._send(method, arguments, safe=safe)
            except Confirmation as warning:
                if not any(fnmatchcase(warning.name, pattern) for pattern in (*self._accept, *accept)):
                    raise
                await self._send("model.res.user.warning.skip", [warning.name, self.context], safe=True)
        raise Misconfigured(f"Tryton keeps asking for confirmations of {method}.")

    async def _send(self, method: str, arguments: Sequence[Any], *, safe: bool) -> Any:
        session = self._session or await self.login(None)
        answer = await self._post(method, arguments, session, safe=safe)
        if answer.status == 401:
            answer = await self._post(method, arguments, await self.login(session), safe=safe)
        name = method.partition(".")[2].rpartition(".")[0]
        result = self._result(answer, safe=safe, known=name if name in self._answered else None)
        self._answered.add(name)
        return result

    async def login(self, stale: str | None) -> str:
        """A session; a new one unless another call has already replaced ``stale``.

        Raises ``Unauthorized``, ``Misconfigured`` (no such database), ``Unavailable``.
        """
        async with self._lock:
            if self._session is not None and self._session != stale:
                return self._session
            if self._session is None:
                await self._wake()
            answer = await self._ask_for_session()
            self.user, token = int(answer[0]), str(answer[1])
            raw = f"{self._login}:{self.user}:{token}".encode()
            self._session = f"Session {base64.b64encode(raw).decode()}"
            return self._session

    async def _wake(self) -> None:
        """Let the server load the database. A login to one that is not loaded yet fails, and fails ever after: any
        page of the database before it loads it. The page itself does not matter."""
        await self._http.request("GET", f"/{self._database}/r/isthmus", expect=_READ_BY_US)

    async def _ask_for_session(self) -> Any:
        answer = await self._post("common.db.login", [self._login, {"password": self._password}], None, safe=True)
        if answer.status == 401:
            raise Unauthorized(
                f"Tryton refuses the login '{self._login}' on database '{self._database}'.",
                advice="Check login and password in isthmus.toml.",
            )
        if answer.status == 404 and (known := await self.databases()) and self._database not in known:
            raise Unauthorized(
                f"This Tryton has no database '{self._database}' (it has {', '.join(known)}).",
                advice="Correct 'database' in isthmus.toml.",
            )
        try:
            result = self._result(answer, safe=True)
        except Unauthorized:
            raise
        except Misconfigured as error:
            raise Unavailable(
                f"Tryton has not loaded the database '{self._database}'.",
                advice="Restart it, best with '-d' and the name of the database.",
            ) from error
        if not isinstance(result, list) or len(result) < 2:
            raise Unavailable("Tryton's answer to the login is not one.", advice="Is the address really Tryton's?")
        return result

    async def databases(self) -> Sequence[str]:
        """Databases the server lists; empty when it keeps that to itself."""
        answer = await self._http.request(
            "POST",
            "/rpc/",
            body=encode({"id": 0, "method": "common.db.list", "params": []}),
            headers={"Content-Type": "application/json"},
            safe=True,
            expect=_READ_BY_US,
        )
        if answer.status != 200:
            return ()
        names = self._result(answer, safe=True)
        return [str(name) for name in names] if isinstance(names, list) else ()

    async def version(self) -> str:
        """Series of the server, e.g. ``8.2``."""
        body = encode({"id": 0, "method": "common.server.version", "params": []})
        answer = await self._http.request(
            "POST", "/rpc/", body=body, headers={"Content-Type": "application/json"}, safe=True
        )
        return str(self._result(answer, safe=True))

    async def _post(self, method: str, arguments: Sequence[Any], session: str | None, *, safe: bool) -> Response:
        self._number += 1
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if session:
            headers["Authorization"] = session
        return await self._http.request(
            "POST",
            self._path,
            body=encode({"id": self._number, "method": method, "params": list(arguments)}),
            headers=headers,
            safe=safe,
            expect=_READ_BY_US,
        )

    def _result(self, answer: Response, *, safe: bool, known: str | None = None) -> Any:
        if answer.status != 200:
            raise status_error(answer.status, answer.headers, answer.body, database=self._database, safe=safe)
        try:
            envelope = decode(answer.body)
        except ValueError as error:
            raise self._garbage(answer, safe=safe) from error
        if not isinstance(envelope, dict) or ("result" not in envelope and "error" not in envelope):
            raise self._garbage(answer, safe=safe)
        if envelope.get("error"):
            raise refusal(envelope["error"], safe=safe, known=known)
        return envelope.get("result")

    def _garbage(self, answer: Response, *, safe: bool) -> Unavailable | UnknownOutcome:
        kind = Unavailable if safe else UnknownOutcome
        return kind(
            f"The answer ({len(answer.body)} bytes) is not Tryton's protocol.",
            advice="A proxy or an error page in between? Check the address.",
        )
