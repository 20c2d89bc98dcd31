"""A twin of BottleCRM in this process: the endpoints that the connector uses, with BottleCRM's shapes, rules and words.

    async with BottleCrmTwin() as twin:
        system = await connector.open(Config(url=twin.url, token=twin.token, admin_token=twin.admin_token))

It keeps everything in memory, answers lists in BottleCRM's orders, refuses what BottleCRM refuses (400 and 409 with the
same words), crashes where it crashes (500 on a second SKU) and calls webhooks. Bad days are made in front of it, by
``isthmus.testing.FaultyProxy``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from aiohttp import web

from isthmus.connectors.bottlecrm.custom_fields import TARGETS
from isthmus.connectors.bottlecrm.twin_documents import TwinDocuments
from isthmus.connectors.bottlecrm.twin_hooks import TwinHooks
from isthmus.connectors.bottlecrm.twin_rules import MODELS, STAGES, Refused, clean

__all__ = ["BottleCrmTwin"]

_ROOTS = {
    "account": "/api/accounts/",
    "contact": "/api/contacts/",
    "opportunity": "/api/opportunities/",
    "case": "/api/cases/",
    "product": "/api/invoices/products/",
    "estimate": "/api/invoices/estimates/",
    "invoice": "/api/invoices/",
}
_DETAIL = {
    "account": "account_obj",
    "contact": "contact_obj",
    "opportunity": "opportunity_obj",
    "case": "cases_obj",
    "estimate": "estimate",
    "invoice": "invoice",
}
_GONE: Mapping[str, Mapping[str, Any]] = {
    "account": {"detail": "No Account matches the given query."},
    "contact": {"detail": "No Contact matches the given query."},
    "opportunity": {"error": True, "errors": "Opportunity not found."},
    "case": {"detail": "No such case."},
    "product": {"error": True, "message": "Product not found"},
    "estimate": {"error": True, "message": "Estimate not found"},
    "invoice": {"error": True, "message": "Invoice not found"},
}
_EVENTS = {"account": "account", "contact": "contact", "opportunity": "deal", "case": "ticket", "invoice": "invoice"}
_BY_ID = ("account", "opportunity")

type Row = dict[str, Any]
type Handler = Callable[[web.Request], Any]


class BottleCrmTwin:
    """One organisation. Everything in ``rows`` may be looked at and changed by tests."""

    def __init__(self) -> None:
        self.token = f"bcrm_pat_{secrets.token_urlsafe(24)}"
        self.admin_token = f"session.{secrets.token_urlsafe(24)}"
        self.comments: dict[str, list[Row]] = {}
        """What the detail of a ticket shows as public comments."""
        self.rows: dict[str, dict[str, Row]] = {name: {} for name in MODELS}
        self.definitions: list[Row] = []
        self.hooks = TwinHooks()
        self.requests: list[tuple[str, str]] = []
        """Method and path of every request."""
        self.before_list: Callable[[str], None] | None = None
        """Called with the resource before each list is answered: the place to add and delete records meanwhile."""
        self._documents = TwinDocuments(self)
        self._last = datetime.now(UTC)
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Address to give to the connector."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._guard])
        self._routes(app.router)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/api/profile/", self._profile)
        router.add_get("/api/org/settings/", self._settings)
        router.add_get("/schema/", self._schema)
        router.add_get("/api/custom-fields/", self._definitions)
        router.add_post("/api/custom-fields/", self._define)
        router.add_put("/api/custom-fields/{id}/", self._redefine)
        self.hooks.routes(router)
        self._documents.routes(router)
        for name, root in sorted(_ROOTS.items(), key=lambda pair: -len(pair[1])):
            router.add_get(root, self._for(name, self._list))
            router.add_post(root, self._for(name, self._create))
            one = root + "{id}/"
            router.add_get(one, self._for(name, self._detail))
            router.add_route(
                "PUT" if name in ("product", "estimate", "invoice") else "PATCH", one, self._for(name, self._update)
            )
            if name != "invoice":
                router.add_delete(one, self._for(name, self._delete))

    @staticmethod
    def _for(name: str, handler: Callable[[str, web.Request], Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            answer = await handler(name, request)
            assert isinstance(answer, web.Response)
            return answer

        return handle

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        given = request.headers.get("Authorization", "")
        session = request.path.startswith("/api/webhooks/")
        if request.path.startswith("/api/") and not request.path.startswith("/api/public/"):
            wanted = self.admin_token if session else self.token
            if given != f"Bearer {wanted}":
                return web.json_response({"detail": "Given token not valid."}, status=403 if session else 401)
        try:
            answer: web.StreamResponse = await handler(request)
        except Refused as refused:
            return web.json_response(refused.body, status=refused.status)
        await self.hooks.flush()
        return answer

    # what other parts of the twin use

    def now(self) -> str:
        """The time as BottleCRM writes it; never the same twice."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def get(self, name: str, key: str) -> Row:
        """The stored row. Raises :class:`Refused` as 404."""
        row = self.rows[name].get(key)
        if row is None:
            raise Refused(404, _GONE[name])
        return row

    def add(self, name: str, values: Mapping[str, Any]) -> Row:
        """Store a new row, as if somebody had made it."""
        now = self.now()
        row = {"id": str(uuid4()), "custom_fields": {}, **values, "created_at": now, "updated_at": now}
        self.rows[name][row["id"]] = row
        self.changed(name, row, "created")
        return row

    def changed(self, name: str, row: Row, action: str = "updated") -> None:
        """Note a change: its time, and the webhook's call."""
        if action == "updated":
            row["updated_at"] = self.now()
        if name in _EVENTS:
            self.hooks.note(f"{_EVENTS[name]}.{action}", row)

    def values(self, name: str, body: Mapping[str, Any], old: Row | None) -> Row:
        """Checked values of a request for this model. Raises :class:`Refused`."""
        model = MODELS[name]
        values = clean(model, body, partial=old is not None, today=self.now()[:10])
        self._check_links(name, values)
        taken = values.get(model.unique) if model.unique else None
        for row in self.rows[name].values() if taken is not None and (taken or not model.twice) else ():
            if row is not old and str(row.get(model.unique)).lower() == str(taken).lower():
                self._refuse_twice(name)
        if model.custom and "custom_fields" in body:
            values["custom_fields"] = self._custom(model.custom, body["custom_fields"] or {}, old)
        return values

    def _refuse_twice(self, name: str) -> None:
        model = MODELS[name]
        if not model.twice:
            raise web.HTTPInternalServerError(text="<h1>IntegrityError</h1>", content_type="text/html")
        raise Refused(400, {"error": True, "errors": {model.unique: [model.twice]}})

    def _check_links(self, name: str, values: Row) -> None:
        for rule_name, rule in MODELS[name].rules.items():
            key = values.get(rule.as_read or rule_name)
            if rule.kind == "key" and key and rule.to and key not in self.rows[rule.to]:
                raise Refused(400, {"error": True, "errors": {rule_name: [f"No such {rule.to}."]}})

    def _custom(self, target: str, given: Mapping[str, Any], old: Row | None) -> Row:
        """Merged into what is there; undefined keys are dropped, empty values take their key away."""
        kinds = {
            row["key"]: row["field_type"]
            for row in self.definitions
            if row["target_model"] == target and row["is_active"]
        }
        merged = dict((old or {}).get("custom_fields") or {})
        for key, value in given.items():
            if key in kinds and value in (None, ""):
                merged.pop(key, None)
            elif key in kinds:
                merged[key] = float(value) if kinds[key] == "number" else value
        return merged

    # lists and details

    async def _list(self, name: str, request: web.Request) -> web.Response:
        if self.before_list is not None:
            self.before_list(name)
        query = request.query
        rows = self._sorted(name, query)
        words = (query.get("search") or query.get("name") or "").lower()
        if words:
            rows = [row for row in rows if words in " ".join(map(str, row.values())).lower()]
        limit, offset = int(query.get("limit") or 10), int(query.get("offset") or 0)

        def page(of: list[Row]) -> list[Row]:
            return [self.shown(name, row, short=True) for row in of[offset : offset + limit]]

        if name == "account":
            wanted = {"true": (True,), "false": (False,)}.get(query.get("is_active", ""), (True, False))
            active, closed = (
                [row for row in rows if row["is_active"] is state and state in wanted] for state in (True, False)
            )
            return web.json_response(
                {
                    "active_accounts": {"open_accounts": page(active), "open_accounts_count": len(active)},
                    "closed_accounts": {"close_accounts": page(closed), "close_accounts_count": len(closed)},
                    "contacts": [{"id": key} for key in self.rows["contact"]],
                }
            )
        place = {"opportunity": "opportunities", "case": "cases"}.get(name, "results")
        return web.json_response({"count": len(rows), place: page(rows)})

    def _sorted(self, name: str, query: Mapping[str, str]) -> list[Row]:
        rows = list(self.rows[name].values())
        if name == "product":
            return sorted(rows, key=lambda row: str(row["name"]))
        if name == "case":
            rows = [row for row in rows if row["is_active"]]
        field = "id" if name in _BY_ID or query.get("ordering") == "-id" else "created_at"
        return sorted(rows, key=lambda row: str(row[field]), reverse=True)

    async def _detail(self, name: str, request: web.Request) -> web.Response:
        row = self.get(name, request.match_info["id"])
        shown = self.shown(name, row)
        if name == "product":
            return web.json_response(shown)
        answer: Row = {_DETAIL[name]: shown}
        if name == "account":
            linked = {
                field: [self.shown(of, each) for each in self.rows[of].values() if each.get("account") == row["id"]]
                for of, field in (("contact", "contacts"), ("opportunity", "opportunity_list"), ("case", "cases"))
            }
            answer |= linked
        if name == "case":
            answer["comments"] = self.comments.get(row["id"], [])
        return web.json_response(answer)

    def shown(self, name: str, row: Row, *, short: bool = False) -> Row:
        """The row as the API gives it; ``short`` as in lists of documents, without lines and custom fields."""
        shown = dict(row)
        if name == "contact":
            shown["linked_accounts"] = [self._named("account", row["account"])] if row.get("account") else []
        if name in ("opportunity", "case"):
            shown["account"] = self._named("account", row.get("account"))
            shown["contacts"] = [self._named("contact", key) for key in row["contacts"]]
            del shown["updated_at"]
        if name == "opportunity":
            shown["stage_kind"] = STAGES[row["stage"]]
            shown["stage_label"] = row["stage"].replace("_", " ").title()
            shown["line_items"] = [
                {**line, "product": self._named("product", line["product"])} for line in row.get("line_items", ())
            ]
        if name == "account":
            del shown["updated_at"]
        if name in ("estimate", "invoice"):
            return self._documents.shown(name, row, short=short)
        return shown

    def _named(self, name: str, key: str | None) -> Row | None:
        row = self.rows[name].get(key or "")
        return {"id": key, "name": row.get("name") or row.get("first_name")} if row else None

    # writing

    async def _create(self, name: str, request: web.Request) -> web.Response:
        body = await request.json()
        values = self.values(name, body, None)
        if name == "opportunity":
            _check_deal(values, values)
        if name in ("estimate", "invoice"):
            row = self._documents.create(name, values, body)
            return web.json_response({"error": False, name: self.shown(name, row)}, status=201)
        row = self.add(name, values)
        if name == "product":
            return web.json_response({"error": False, "product": self.shown(name, row)}, status=201)
        return web.json_response({"error": False, "message": "Created Successfully", "id": row["id"]})

    async def _update(self, name: str, request: web.Request) -> web.Response:
        row, body = self.get(name, request.match_info["id"]), await request.json()
        values = self.values(name, body, row)
        if name == "opportunity":
            _check_deal(values, row | values)
        if name == "case":
            values.pop("account", None)
        if name in ("estimate", "invoice"):
            self._documents.update(row, values, body)
        else:
            row.update(values)
        self.changed(name, row)
        shown = {name: self.shown(name, row)} if name in ("product", "estimate", "invoice") else {}
        return web.json_response({"error": False, "message": "Updated Successfully", **shown})

    async def _delete(self, name: str, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        row = self.get(name, key)
        if name == "account":
            if any(each.get("account") == key for of in ("invoice", "estimate") for each in self.rows[of].values()):
                raise Refused(
                    409,
                    {
                        "error": True,
                        "errors": "This account can't be deleted while it still has projects, "
                        "invoices, estimates or recurring invoices linked to it.",
                    },
                )
            for of in ("opportunity", "case"):
                self.rows[of] = {each: held for each, held in self.rows[of].items() if held.get("account") != key}
        del self.rows[name][key]
        self.changed(name, row, "deleted")
        return web.json_response({"error": False, "message": "Deleted Successfully."})

    # custom fields and the rest

    async def _definitions(self, request: web.Request) -> web.Response:
        return web.json_response({"definitions": self.definitions, "totals": None})

    async def _define(self, request: web.Request) -> web.Response:
        body = await request.json()
        target, key = body.get("target_model"), body.get("key")
        if target not in TARGETS.values():
            raise Refused(400, {"error": True, "errors": {"target_model": [f'"{target}" is not a valid choice.']}})
        if any((row["target_model"], row["key"]) == (target, key) for row in self.definitions):
            raise Refused(
                400, {"error": True, "errors": {"key": [f"a {target} field with key '{key}' already exists"]}}
            )
        row = {"id": str(uuid4()), "is_active": True, **body}
        self.definitions.append(row)
        return web.json_response(row, status=201)

    async def _redefine(self, request: web.Request) -> web.Response:
        row = next((row for row in self.definitions if row["id"] == request.match_info["id"]), None)
        if row is None:
            raise Refused(404, {"error": True, "errors": "Custom field not found"})
        row.update(await request.json())
        return web.json_response(row)

    async def _profile(self, request: web.Request) -> web.Response:
        user = {"email": "admin@twin.example", "name": "admin"}
        return web.json_response({"user_obj": {"id": str(uuid4()), "user_details": user, "role": "ADMIN"}})

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response({"name": "Twin", "default_currency": "EUR"})

    async def _schema(self, request: web.Request) -> web.Response:
        return web.json_response({"openapi": "3.0.3", "info": {"title": "CRM", "version": "twin"}})


def _check_deal(given: Row, whole: Row) -> None:
    errors = {}
    kind = STAGES[whole["stage"]]
    if kind != "open" and not whole.get("closed_on"):
        errors["closed_on"] = ["A deal cannot be closed without the date it closed on."]
    if kind == "won" and not whole.get("amount"):
        errors["amount"] = ["A won deal has to record what it was worth."]
    if whole.get("line_items") and given.get("amount") not in (None, whole["amount"]):
        errors["amount"] = ["This deal's amount is the sum of its line items. Edit the line items to change it."]
    if errors:
        raise Refused(400, {"error": True, "errors": errors})
