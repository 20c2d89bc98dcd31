"""Two far systems behind HTTP in the test's own process, a project for them, and real processes of the hub."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

FIELDS = ("vat", "name", "email", "phone")


class Twin:
    """One system: a table of contacts, slow before and after each commit. A call goes on when its caller has died."""

    def __init__(self, name: str, latency: float) -> None:
        self.name, self.latency = name, latency
        self.rows: dict[str, dict[str, Any]] = {}
        self.rev = 0
        self.writes = 0
        self.calls = 0
        self.headers: dict[str, str] = {}
        """Of all its answers."""
        self.refuses = 0
        """Every call, with this status."""

    def save(self, key: str | None, fields: dict[str, Any]) -> str:
        """What a person does, or a call."""
        self.rev += 1
        key = key or f"{self.name}{self.rev}"
        self.rows[key] = {**self.rows.get(key, {"id": key}), **fields, "rev": self.rev}
        return key

    def routes(self) -> list[web.RouteDef]:
        path = f"/{self.name}/contacts"
        return [
            web.get(path, self._index),
            web.post(path, self._create),
            web.get(path + "/{id}", self._show),
            web.patch(path + "/{id}", self._update),
            web.delete(path + "/{id}", self._delete),
        ]

    async def _index(self, request: web.Request) -> web.Response:
        rows, ref = list(self.rows.values()), request.query.get("ref")
        await asyncio.sleep(self.latency)
        return web.json_response({"data": [row for row in rows if ref in (None, row.get("ref"))]})

    async def _show(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.latency)
        row = self.rows.get(request.match_info["id"])
        return web.json_response({"data": row}) if row else web.json_response({}, status=404)

    async def _create(self, request: web.Request) -> web.Response:
        fields = await request.json()
        await asyncio.sleep(self.latency)
        self.writes += 1
        row = dict(self.rows[self.save(None, fields)])
        await asyncio.sleep(self.latency)
        return web.json_response({"data": row}, status=201)

    async def _update(self, request: web.Request) -> web.Response:
        key, fields = request.match_info["id"], await request.json()
        await asyncio.sleep(self.latency)
        if key not in self.rows:
            return web.json_response({}, status=404)
        if request.headers.get("If-Match") != str(self.rows[key]["rev"]):
            return web.json_response({"message": "Somebody was faster."}, status=412)
        self.writes += 1
        self.save(key, fields)
        row = dict(self.rows[key])
        await asyncio.sleep(self.latency)
        return web.json_response({"data": row})

    async def _delete(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.latency)
        self.writes += 1
        self.rows.pop(request.match_info["id"], None)
        return web.Response(status=204)


@asynccontextmanager
async def served(*twins: Twin) -> AsyncIterator[str]:
    """Address of a server for all of them."""

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        called = next((twin for twin in twins if request.path.startswith(f"/{twin.name}/")), None)
        if called is None:
            return await handler(request)
        called.calls += 1
        answer = web.json_response({}, status=called.refuses) if called.refuses else await handler(request)
        answer.headers.update(called.headers)
        return answer

    app = web.Application(middlewares=[counted])
    for twin in twins:
        app.add_routes(twin.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


SETTINGS = """\
[hub]
name = "twins"
listen = "127.0.0.1:0"

[systems.crm]
kind = "rest"
url = "{url}"
definition = "crm.yaml"

[systems.erp]
kind = "rest"
url = "{url}"
definition = "erp.yaml"
"""
DEFINITION = """\
product: Twin
resources:
  contacts:
    path: /{name}/contacts
    version: rev
    list: {{records: data, paging: {{kind: none}}}}
    get: {{record: data}}
    create: {{record: data}}
    update: {{record: data}}
    guard: {{header: If-Match}}
    token: {{field: ref, query: ref}}
    fields: {{vat: text, name: text, email: text, phone: text}}
"""
FLOW = """\
flow: customer
entity: Customer
match: [tax_id]
systems:
  crm: {resource: contacts, every: 1s, create: always, delete: propagate}
  erp: {resource: contacts, every: 1s, create: always, delete: propagate}
fields:
  tax_id: {crm: vat, erp: vat}
  name: {crm: name, erp: name, owner: crm}
  email: {crm: email, erp: email}
  phone: {crm: phone, erp: phone}
brake: {at_least: 100000, deletes_at_least: 100000}
"""


def make_project(folder: Path, url: str) -> Path:
    (folder / "flows").mkdir(parents=True)
    (folder / "isthmus.toml").write_text(SETTINGS.format(url=url))
    (folder / "flows" / "customer.yaml").write_text(FLOW)
    for name in ("crm", "erp"):
        (folder / f"{name}.yaml").write_text(DEFINITION.format(name=name))
    return folder


class Workers:
    """Processes of the hub on one project and database."""

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        """Without a database they use the embedded one of the project, unless the environment names one."""
        self.folder, self.log = folder, folder / "workers.log"
        self.environment = {**os.environ, **({} if database_url is None else {"ISTHMUS_DATABASE_URL": database_url})}
        self.living: list[asyncio.subprocess.Process] = []

    async def start(self, command: str = "worker") -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            process = await self._isthmus(command, log)
        self.living.append(process)
        return process

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        process.kill()
        await process.wait()
        self.living.remove(process)

    async def ask(self, *words: str) -> Any:
        """What a command answers with --json."""
        process = await self._isthmus(*words, "--json", output=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return json.loads(out)

    async def _isthmus(self, *words: Any, output: Any = None) -> asyncio.subprocess.Process:
        *command, log = words if output is None else (*words, output)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "isthmus",
            *command,
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=log if output is None else None,
        )

    async def close(self) -> None:
        for process in list(self.living):
            if process.returncode is None:
                await self.kill(process)
