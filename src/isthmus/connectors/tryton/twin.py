"""A twin of Tryton in this process: JSON-RPC with Tryton's shapes, rules and words, for what the connector uses.

    async with TrytonTwin() as twin:
        system = await TRYTON.open(TrytonConfig(url=twin.url, database="erp", login="hub", password=twin.password))

It keeps transactions (all or nothing), time stamps, inactive records, prices by list, orders to payments and the
outbox. Bad days of the network are made in front of it by ``isthmus.testing.FaultyProxy``; Tryton's own are queued in
``trouble``.
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from isthmus.connectors.tryton.codec import decode, encode
from isthmus.connectors.tryton.twin_business import COMPUTED, Business
from isthmus.connectors.tryton.twin_store import Refused, Store

__all__ = ["Refused", "TrytonTwin"]

_BUTTONS = ("quote", "confirm", "cancel", "post")
_DEFAULTS = {
    "company": 1,
    "currency": 1,
    "warehouse": 1,
    "invoice_method": "order",
    "shipment_method": "order",
    "state": "draft",
    "payment_term": None,
}


class TrytonTwin:
    """One server with the database ``erp`` and the user ``hub``."""

    def __init__(self, *, outbox: bool = True) -> None:
        self.password = secrets.token_hex(8)
        self.store = Store(COMPUTED)
        self.business = Business(self.store)
        self.trouble: list[Refused | web.HTTPException] = []
        """Taken one by one instead of answering a call that writes."""
        self.subscriptions: dict[str, str] = {}
        self.calls: list[str] = []
        """Methods called, in order."""
        self._outbox = outbox
        self._sessions: set[str] = set()
        self._wizards: dict[int, dict[str, Any]] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/rpc/", self._root)
        app.router.add_post("/{database}/rpc/", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def forget_sessions(self) -> None:
        """Let every session expire."""
        self._sessions.clear()

    async def _root(self, request: web.Request) -> web.Response:
        call = decode(await request.read())
        result = {"common.db.list": ["erp"], "common.server.version": "8.2"}[call["method"]]
        return _answer(call, {"result": result})

    async def _serve(self, request: web.Request) -> web.Response:
        if request.match_info["database"] != "erp":
            raise web.HTTPNotFound
        call = decode(await request.read())
        method, params = call["method"], call["params"]
        self.calls.append(method)
        if method == "common.db.login":
            if params[0] != "hub" or params[1].get("password") != self.password:
                raise web.HTTPUnauthorized
            token = secrets.token_hex(8)
            self._sessions.add(base64.b64encode(f"hub:1:{token}".encode()).decode())
            return _answer(call, {"result": [1, token, None]})
        if request.headers.get("Authorization", "").removeprefix("Session ") not in self._sessions:
            raise web.HTTPUnauthorized
        *arguments, context = params
        try:
            return _answer(call, {"result": self._call(method, arguments, context)})
        except Refused as error:
            return _answer(call, {"error": error.wire})

    def _call(self, method: str, arguments: list[Any], context: Mapping[str, Any]) -> Any:
        kind, _, name = method.rpartition(".")
        model = kind.removeprefix("model.")
        if kind == "wizard.account.invoice.pay":
            return self._wizard(name, arguments, context)
        if model == "isthmus.outbox":
            return self._changes(name, arguments)
        if method == "model.res.user.get_preferences":
            return {"company": 1, "language": "en"}
        if method == "model.res.user.warning.skip":
            return self.business.skipped.add(arguments[0])
        if model not in self.store.rows:
            raise Refused(f"'{model}'", "")
        if name in ("create", "write", "delete", *_BUTTONS):
            if self.trouble:
                raise self.trouble.pop(0)
            with self.store.transaction(context.get("_timestamp") or {}):
                return self._change(model, name, arguments)
        return self._read(model, name, arguments, context)

    def _read(self, model: str, name: str, arguments: Sequence[Any], context: Mapping[str, Any]) -> Any:
        match name:
            case "search_read":
                domain, offset, limit, order, fields = arguments
                found = self.store.search(model, domain, context)
                if context.get("active_test", True) is not False:
                    found = [row for row in found if row.get("active", True)]
                if order and order[0][1] == "DESC":
                    found.reverse()
                end = None if limit is None else offset + limit
                return [self.store.read(model, row, fields, context) for row in found[offset:end]]
            case "read":
                rows = [self.store.row(model, one) for one in arguments[0]]
                return [self.store.read(model, row, arguments[1], context) for row in rows]
            case "default_get":
                return {field: _DEFAULTS[field] for field in arguments[0]}
            case "on_change" if model == "sale.sale":
                return self.business.sale_on_change(arguments[0])
            case "on_change":
                return self.business.line_on_change(arguments[0])
        raise web.HTTPForbidden

    def _change(self, model: str, name: str, arguments: list[Any]) -> Any:
        match name:
            case "create":
                made = []
                for values in arguments[0]:
                    self.business.check(model, values)
                    made.append(self.store.create(model, values))
                    if model == "party.party" and not values.get("code"):
                        self.store.rows[model][made[-1]]["code"] = str(made[-1])
                return made
            case "write":
                for ids, values in zip(arguments[::2], arguments[1::2], strict=True):
                    self.business.check(model, values)
                    self.store.write(model, ids, values)
                return None
            case "delete":
                return self.store.delete(model, arguments[0])
        return self.business.press(model, name, arguments[0])

    def _changes(self, name: str, arguments: Sequence[Any]) -> Any:
        if not self._outbox:
            raise Refused("'isthmus.outbox'", "")
        if name == "subscribe":
            self.subscriptions[arguments[0]] = arguments[1]
            return None
        since, limit = arguments
        rows, end = self.store.outbox, len(self.store.outbox)
        if since is None:
            return {"rows": [], "cursor": f"1.0.{end}", "more": False, "gap": False}
        start = int(since.rpartition(".")[2])
        given = rows[start : start + limit]
        return {"rows": given, "cursor": f"1.0.{start + len(given)}", "more": start + limit < end, "gap": False}

    def _wizard(self, name: str, arguments: Sequence[Any], context: Mapping[str, Any]) -> Any:
        if name == "create":
            session = len(self._wizards) + 1
            self._wizards[session] = {}
            return [session, "start", "end"]
        if name == "delete":
            return self._wizards.pop(arguments[0], None)
        session, data, state = arguments
        if session not in self._wizards:
            raise web.HTTPForbidden
        invoice = self.store.row("account.invoice", context["active_id"])
        left = self.store.value("account.invoice", invoice, "amount_to_pay", {})
        if state == "start":
            today = dt.datetime.now(dt.UTC).date()
            return {"view": {"defaults": {"amount": left, "currency": 1, "date": today, "description": None}}}
        start = data["start"]
        if state == "choice" and start["amount"] < left:
            return {"view": {"defaults": {"amount": start["amount"], "type": "partial"}}}
        if start["amount"] > left:
            raise Refused("UserError", "The amount is greater than the amount to pay.", "", None)
        if self.trouble:
            raise self.trouble.pop(0)
        with self.store.transaction({}):
            self.business.pay(context["active_id"], start)
        return {}


def _answer(call: Mapping[str, Any], body: Mapping[str, Any]) -> web.Response:
    answer = web.Response(body=encode({"id": call["id"], **body}), content_type="application/json")
    if answer.body and len(bytes(answer.body)) > 1400:  # type: ignore[arg-type]
        answer.enable_compression(web.ContentCoding.gzip)
    return answer
