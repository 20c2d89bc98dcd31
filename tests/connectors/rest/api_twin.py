"""An imitation of four very different JSON APIs over one little store."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

SECRET = "s3cret-of-the-twin"


@dataclass
class Row:
    id: int
    values: dict[str, Any]
    rev: int
    changed: datetime
    deleted: bool = False


@dataclass
class Store:
    """Tables of an API; ``validate`` gives (field, reason) for a value it refuses."""

    tables: dict[str, dict[int, Row]] = field(default_factory=lambda: {"contacts": {}, "payments": {}})
    count: int = 0
    logins: int = 0
    idempotent: dict[str, int] = field(default_factory=dict)
    hooks: dict[int, dict[str, Any]] = field(default_factory=dict)

    def save(self, table: str, values: dict[str, Any], key: int | None = None) -> Row:
        if key is None:
            self.count += 1
            row = Row(self.count, {}, 0, datetime.now(UTC))
            self.tables[table][row.id] = row
        else:
            row = self.tables[table][key]
        row.values = {**row.values, **values}
        self.count += 1
        row.rev, row.changed = self.count, datetime.now(UTC)
        return row

    def live(self, table: str) -> list[Row]:
        return [row for row in self.tables[table].values() if not row.deleted]


def refused(values: dict[str, Any]) -> tuple[str, str] | None:
    if "name" in values and not values["name"]:
        return "name", "This field may not be blank."
    return None


def dumps(value: Any) -> str:
    """JSON with exact numbers for decimals."""
    marks: dict[str, str] = {}

    def plain(inner: Any) -> Any:
        if isinstance(inner, Decimal):
            mark = f"@@{len(marks)}@@"
            marks[f'"{mark}"'] = str(inner)
            return mark
        raise TypeError(type(inner))

    text = json.dumps(value, default=plain, ensure_ascii=False)
    for mark, number in marks.items():
        text = text.replace(mark, number)
    return text


def answer(value: Any, status: int = 200, **headers: str) -> web.Response:
    return web.Response(
        text=dumps(value), status=status, content_type="application/json",
        headers={name.replace("_", "-"): text for name, text in headers.items()},
    )  # fmt: skip


async def body_of(request: web.Request) -> Any:
    return json.loads(await request.text(), parse_float=Decimal)


class Dialect:
    """One API's manners; subclasses add routes."""

    def __init__(self) -> None:
        self.store = Store()
        self.app = web.Application(middlewares=[self._guarded])

    def allowed(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {SECRET}"

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Callable[[web.Request], Any]) -> Any:
        if not request.path.startswith("/open/") and not self.allowed(request):
            return answer({"message": "No."}, 401)
        try:
            return await handler(request)
        except KeyError:
            return answer({"message": "There is no such thing."}, 404)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        runner = web.AppRunner(self.app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


class Modern(Dialect):
    """Bearer, cursor in the body, changed-since, tombstones, revisions in the body, idempotency keys, webhooks."""

    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/v1/contacts", self.index)
        self.app.router.add_post("/v1/contacts", self.create)
        self.app.router.add_get("/v1/contacts/{id}", self.show)
        self.app.router.add_patch("/v1/contacts/{id}", self.update)
        self.app.router.add_delete("/v1/contacts/{id}", self.delete)
        self.app.router.add_get("/v1/hooks", self.hooks)
        self.app.router.add_post("/v1/hooks", self.hook)
        self.app.router.add_delete("/v1/hooks/{id}", self.unhook)

    def json(self, row: Row) -> dict[str, Any]:
        return {
            "id": f"c_{row.id}",
            "attributes": {"name": None, "note": None, "limit": None, "tags": [], **row.values},
            "rev": row.rev,
            "updatedAt": row.changed.isoformat(),
            "deleted": row.deleted,
        }

    def row(self, request: web.Request) -> Row:
        return self.store.tables["contacts"][int(request.match_info["id"].removeprefix("c_"))]

    async def index(self, request: web.Request) -> web.Response:
        rows = sorted(self.store.tables["contacts"].values(), key=lambda row: row.id)
        since, ref = request.query.get("updated_since"), request.query.get("ref")
        if since:
            rows = [row for row in rows if row.changed >= datetime.fromisoformat(since)]
        else:
            rows = [row for row in rows if not row.deleted]
        if ref:
            rows = [row for row in rows if row.values.get("ref") == ref]
        rows = [row for row in rows if row.id > int(request.query.get("cursor", 0))]
        size = int(request.query.get("limit", 3))
        part = rows[:size]
        following = str(part[-1].id) if len(rows) > size else None
        return answer({"data": [self.json(row) for row in part], "meta": {"next": following}})

    async def show(self, request: web.Request) -> web.Response:
        row = self.row(request)
        return answer({"message": "Gone."}, 410) if row.deleted else answer({"data": self.json(row)})

    async def create(self, request: web.Request) -> web.Response:
        values = (await body_of(request))["data"]["attributes"]
        if wrong := refused(values):
            return answer({"error": {"message": wrong[1], "field": wrong[0]}}, 422)
        key = request.headers.get("Idempotency-Key", "")
        if key in self.store.idempotent:
            row = self.store.tables["contacts"][self.store.idempotent[key]]
        else:
            row = self.store.save("contacts", values)
            self.store.idempotent[key] = row.id
        return answer({"data": self.json(row)}, 201)

    async def update(self, request: web.Request) -> web.Response:
        row, sent = self.row(request), (await body_of(request))["data"]
        if row.deleted:
            return answer({}, 410)
        if sent["rev"] != str(row.rev):
            return answer({"error": {"message": "Somebody was faster."}}, 409)
        if wrong := refused(sent["attributes"]):
            return answer({"error": {"message": wrong[1], "field": wrong[0]}}, 422)
        return answer({"data": self.json(self.store.save("contacts", sent["attributes"], row.id))})

    async def delete(self, request: web.Request) -> web.Response:
        row = self.row(request)
        self.store.save("contacts", {}, row.id)
        row.deleted = True
        return web.Response(status=204)

    async def hooks(self, request: web.Request) -> web.Response:
        return answer([{"id": key, **hook} for key, hook in self.store.hooks.items()])

    async def hook(self, request: web.Request) -> web.Response:
        self.store.count += 1
        self.store.hooks[self.store.count] = await body_of(request)
        return answer({"id": self.store.count}, 201)

    async def unhook(self, request: web.Request) -> web.Response:
        del self.store.hooks[int(request.match_info["id"])]
        return web.Response(status=204)


class Classic(Dialect):
    """Basic login, offset and limit, thin lists, envelopes, ETag and If-Match, true PUT, Location, nested payments."""

    def __init__(self) -> None:
        super().__init__()
        self.app.router.add_get("/api/{table}/", self.index)
        self.app.router.add_post("/api/{table}/", self.create)
        self.app.router.add_get("/api/{table}/{id}/", self.show)
        self.app.router.add_put("/api/{table}/{id}/", self.update)
        self.app.router.add_delete("/api/{table}/{id}/", self.delete)
        self.app.router.add_get("/api/contacts/{parent}/payments/", self.index)
        self.app.router.add_post("/api/contacts/{parent}/payments/", self.create)
        self.app.router.add_get("/api/contacts/{parent}/payments/{id}/", self.show)

    def allowed(self, request: web.Request) -> bool:
        wanted = base64.b64encode(f"hub:{SECRET}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {wanted}"

    def table(self, request: web.Request) -> str:
        return "payments" if "parent" in request.match_info else request.match_info["table"]

    def json(self, row: Row) -> dict[str, Any]:
        values = {key: value for key, value in row.values.items() if key != "_parent"}
        return {"pk": row.id, "name": None, "note": None, "limit": None, "since": None, **values}

    async def index(self, request: web.Request) -> web.Response:
        rows = self.store.live(self.table(request))
        if "parent" in request.match_info:
            rows = [row for row in rows if row.values["_parent"] == request.match_info["parent"]]
        if "ref" in request.query:
            rows = [row for row in rows if row.values.get("ref") == request.query["ref"]]
        start, size = int(request.query.get("offset", 0)), int(request.query.get("limit", 4))
        thin = [{"pk": row.id, "ref": row.values.get("ref")} for row in rows[start : start + size]]
        return answer({"count": len(rows), "results": thin})

    def _row(self, request: web.Request) -> Row:
        row = self.store.tables[self.table(request)][int(request.match_info["id"])]
        if row.deleted:
            raise KeyError(row.id)
        return row

    async def show(self, request: web.Request) -> web.Response:
        row = self._row(request)
        return answer({"item": self.json(row)}, ETag=f'"{row.rev}"')

    async def create(self, request: web.Request) -> web.Response:
        values = (await body_of(request))["item"]
        if wrong := refused(values):
            return answer({"errors": {wrong[0]: [wrong[1]]}}, 400)
        if "parent" in request.match_info:
            values["_parent"] = request.match_info["parent"]
            _ = self.store.tables["contacts"][int(values["_parent"])]
        row = self.store.save(self.table(request), values)
        return web.Response(status=201, headers={"Location": f"{request.path}{row.id}/"})

    async def update(self, request: web.Request) -> web.Response:
        row = self._row(request)
        if request.headers.get("If-Match") != f'"{row.rev}"':
            return answer({"detail": "The record has moved."}, 412)
        values = (await body_of(request))["item"]
        if wrong := refused(values):
            return answer({"errors": {wrong[0]: [wrong[1]]}}, 400)
        kept = {name: row.values[name] for name in ("ref", "_parent") if name in row.values}
        row.values = {}
        self.store.save(self.table(request), {**kept, **values}, row.id)
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        self._row(request).deleted = True
        return answer({"ok": True})


class Plain(Dialect):
    """Login call with tokens that run out, page numbers, milliseconds, bulk reads and creates, no versions."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()
        self.app.router.add_post("/open/login", self.login)
        self.app.router.add_get("/contact", self.index)
        self.app.router.add_post("/contact/create", self.create)
        self.app.router.add_post("/contact/{id}/edit", self.update)
        self.app.router.add_delete("/contact/{id}", self.delete)

    def allowed(self, request: web.Request) -> bool:
        return request.headers.get("X-Session") in self.tokens

    async def login(self, request: web.Request) -> web.Response:
        if await body_of(request) != {"user": "hub", "pass": SECRET}:
            return answer({"message": "Who?"}, 403)
        self.store.logins += 1
        token = f"t{self.store.logins}-session-token"
        self.tokens.add(token)
        return answer({"session": {"id": token}})

    def json(self, row: Row) -> dict[str, Any]:
        return {"no": row.id, "name": None, "note": None, "limit": None, "born": None, **row.values}

    async def index(self, request: web.Request) -> web.Response:
        rows = self.store.live("contacts")
        if "no" in request.query:
            wanted = set(request.query.getall("no"))
            return answer([self.json(row) for row in rows if str(row.id) in wanted])
        if "since" in request.query:
            limit = datetime.fromtimestamp(int(request.query["since"]) / 1000, UTC)
            rows = [row for row in rows if row.changed >= limit]
        number, size = int(request.query.get("page", 0)), int(request.query.get("per", 3))
        part = rows[number * size : (number + 1) * size]
        return answer([self.json(row) for row in part]) if part or not number else answer({}, 404)

    async def create(self, request: web.Request) -> web.Response:
        sent = (await body_of(request))["list"]
        for values in sent:
            if wrong := refused(values):
                return answer({"message": f"{wrong[0]}: {wrong[1]}"}, 400)
        return answer({"made": [self.store.save("contacts", values).id for values in sent]})

    async def update(self, request: web.Request) -> web.Response:
        values, key = await body_of(request), int(request.match_info["id"])
        if self.store.tables["contacts"][key].deleted:
            raise KeyError(key)
        if wrong := refused(values):
            return answer({"message": f"{wrong[0]}: {wrong[1]}"}, 400)
        return answer(self.json(self.store.save("contacts", values, key)))

    async def delete(self, request: web.Request) -> web.Response:
        self.store.tables["contacts"][int(request.match_info["id"])].deleted = True
        return answer({})


class Linked(Modern):
    """API key in a header, Link header, everything else as the modern one."""

    def allowed(self, request: web.Request) -> bool:
        return request.headers.get("X-Key") == SECRET

    async def index(self, request: web.Request) -> web.Response:
        told = json.loads((await super().index(request)).text or "")
        following = told["meta"]["next"]
        address = request.url.update_query(cursor=following or "")
        headers = {"Link": f'<{address}>; rel="next"'}
        return web.json_response(told["data"], headers=headers if following else {})
