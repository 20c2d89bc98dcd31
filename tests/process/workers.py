"""A project with a process on a far system that survives everything, and real workers that do not."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import psycopg

PROCESS = '''\
import asyncio
import os
from datetime import timedelta

import psycopg

from isthmus.process import Run, process


async def far(token, text):
    """A far system that remembers tokens, and every call."""
    await asyncio.sleep(0.02)
    async with await psycopg.AsyncConnection.connect(os.environ["FAR_URL"], autocommit=True) as connection:
        await connection.execute("insert into far_call values (%s, %s)", [token, text])
        await connection.execute("insert into far_effect values (%s, %s) on conflict do nothing", [token, text])
    await asyncio.sleep(0.02)
    return len(text)


@process("approval")
async def approval(run: Run, request):
    await run.step("request", lambda: far(f"{run.id}/request", "requested"))
    answer = await run.wait(
        "decision", f"Order {request['amount']}?", who="manager", within=timedelta(seconds=request["patience"])
    )
    if answer is None:
        await run.step("notice", lambda: far(f"{run.id}/notice", "too late"))
        return "late"
    await run.step("order", lambda: far(f"{run.id}/order", f"{answer.value} by {answer.by}"))
    await run.sleep("cool", timedelta(seconds=0.3))
    await run.step("notice", lambda: far(f"{run.id}/notice", "ordered"))
    return f"ordered, {answer.value}"
'''


SETTINGS = """\
[systems.unused]
kind = "rest"
url = "http://127.0.0.1:9"
definition = "unused.yaml"
"""


def make_project(folder: Path, far_url: str) -> Path:
    (folder / "processes").mkdir(parents=True)
    (folder / "isthmus.toml").write_text(SETTINGS)
    (folder / "unused.yaml").write_text("resources: {things: {path: /things}}\n")
    (folder / "processes" / "approval.py").write_text(PROCESS)
    with psycopg.connect(far_url, autocommit=True) as connection:
        connection.execute("create table far_call (token text, text text)")
        connection.execute("create table far_effect (token text primary key, text text)")
    return folder


def far_rows(far_url: str, table: str) -> list[tuple[str, str]]:
    with psycopg.connect(far_url, autocommit=True) as connection:
        return connection.execute(f"select token, text from {table} order by 1".encode()).fetchall()


class Workers:
    """``isthmus worker`` processes."""

    def __init__(self, folder: Path, database_url: str, far_url: str) -> None:
        self.folder, self.log = folder, folder / "workers.log"
        self.environment = {**os.environ, "ISTHMUS_DATABASE_URL": database_url, "FAR_URL": far_url}
        self.living: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        command = (sys.executable, "-m", "isthmus", "worker")
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        self.living.append(process)

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        process.kill()
        await process.wait()
        self.living.remove(process)

    async def close(self) -> Any:
        for process in list(self.living):
            if process.returncode is None:
                await self.kill(process)
        print(self.log.read_text()[-5000:])
