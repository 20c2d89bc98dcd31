"""A process that is to stay begins anew when the hub's own database dies under its start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.app import workers
from isthmus.app.workers import persevere
from isthmus.errors import Misconfigured, StoreUnavailable
from isthmus.store import EmbeddedServer
from tests.app.twin_office import Twin, Workers, make_project, served

KILLS = 8
PROCESS = """\
from isthmus.process import process


@process("idle")
async def idle(run, request):
    pass
"""
"""With one, a hub opens what hands out turns, too."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose database is embedded."""
    monkeypatch.delenv("ISTHMUS_DATABASE_URL", raising=False)
    monkeypatch.setattr(workers, "ASK_AGAIN", 0.01)
    return make_project(tmp_path / "project", "http://127.0.0.1:1")


class Failing:
    """Work that fails so often, in this way."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.done = 0

    async def work(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1


async def test_work_begins_anew_as_long_as_only_the_database_is_to_blame(project: Path) -> None:
    down = StoreUnavailable("down")
    work = Failing(down, ExceptionGroup("tasks", [down, ExceptionGroup("more", [down])]), down)
    await persevere(project, work.work)
    assert work.done == 1


async def test_any_other_failure_ends_it(project: Path) -> None:
    wrong = Misconfigured("wrong")
    for error in (wrong, ExceptionGroup("tasks", [StoreUnavailable("down"), wrong])):
        work = Failing(error)
        with pytest.raises(type(error)):
            await persevere(project, work.work)
        assert work.done == 0


async def test_a_server_that_others_run_is_left_to_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", "postgresql://elsewhere/isthmus")
    with pytest.raises(StoreUnavailable):
        await persevere(project, Failing(StoreUnavailable("down")).work)


async def test_a_database_that_does_not_come_back_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "REVIVING", 0.1)
    with pytest.raises(StoreUnavailable):
        await persevere(project, Failing(*[StoreUnavailable("down")] * 1000).work)


@pytest.mark.timeout(300)
async def test_a_hub_whose_database_is_killed_again_and_again_while_it_starts_comes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ISTHMUS_DATABASE_URL", raising=False)
    dice = random.Random(3)
    crm, erp = Twin("crm", 0.0), Twin("erp", 0.0)
    async with served(crm, erp) as url:
        folder = make_project(tmp_path / "project", url)
        (folder / "processes").mkdir()
        (folder / "processes" / "idle.py").write_text(PROCESS)
        server, hub = EmbeddedServer(folder / ".isthmus" / "pg"), Workers(folder)
        try:
            process = await hub.start("run")

            async def until(holds: Callable[[], object]) -> None:
                while not holds():
                    assert process.returncode is None, hub.log.read_text()
                    await asyncio.sleep(0.02)

            for _ in range(KILLS):
                await until(server.pid)
                if (pid := server.pid()) is None:
                    continue
                await asyncio.sleep(dice.uniform(0, 1.2))
                with contextlib.suppress(ProcessLookupError):  # one that did not come up
                    os.kill(pid, signal.SIGKILL)
                await until(lambda pid=pid: server.pid() != pid)
            crm.save(None, {"vat": "V1", "name": "Acme"})
            await until(lambda: erp.rows)
        finally:
            await hub.close()
            server.stop()
