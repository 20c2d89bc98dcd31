"""The server of one machine: starts, is shared, survives a kill, stops when told."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from isthmus.errors import Misconfigured, Unavailable
from isthmus.store import EmbeddedServer, PostgresStore
from tests.store.examples import a_link, save


@pytest.fixture
def folder() -> Iterator[Path]:
    """A project folder that the service user can reach; its server is stopped at the end."""
    path = Path(tempfile.mkdtemp(prefix="isthmus-"))
    yield path / "pg"
    for found in path.rglob("postmaster.pid"):
        EmbeddedServer(found.parent).stop()
    shutil.rmtree(path)


async def test_what_was_committed_survives_kill_9(folder: Path) -> None:
    server = EmbeddedServer(folder)
    assert (server.running(), server.pid(), server.stop()) == (False, None, True)
    async with await PostgresStore.open(server.start()) as store:
        await save(store, links=[a_link(f"l{number}") for number in range(100)])
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with await PostgresStore.open(EmbeddedServer(folder).start()) as store, store.transaction() as transaction:
        assert len(await transaction.links([f"l{number}" for number in range(100)])) == 100
    assert server.pid() not in (None, pid)


async def save_until_it_fails(store: PostgresStore) -> None:
    """The server's other processes notice a moment later that it is dead."""
    async with asyncio.timeout(20):
        while True:
            await save(store, links=[a_link("l2")])
            await asyncio.sleep(0.01)


async def test_an_open_store_works_again_when_the_server_is_back(folder: Path) -> None:
    server = EmbeddedServer(folder)
    async with await PostgresStore.open(server.start()) as store:
        notices = store.notifications()
        assert (await anext(notices)).system is None
        assert await store.try_lock("lane")
        await save(store, links=[a_link("l1")])
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await save_until_it_fails(store)
        assert not await store.holds("lane")
        await asyncio.to_thread(server.start)
        for _ in range(100):
            try:
                await save(store, links=[a_link("l3")])
                break
            except Unavailable:
                await asyncio.sleep(0.1)
        assert await store.try_lock("lane")
        async with asyncio.timeout(20):
            assert (await anext(notices)).system is None
        async with store.transaction() as transaction:
            assert [link.id for link in await transaction.links(["l1", "l3"])] == ["l1", "l3"]


def test_the_server_is_shared_and_stops_only_when_told(folder: Path) -> None:
    start = (
        "import sys; from pathlib import Path; from isthmus.store import EmbeddedServer; "
        "server = EmbeddedServer(Path(sys.argv[1])); server.start(); print(server.pid())"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", start, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    pids = {int(process.communicate(timeout=60)[0]) for process in both}
    assert len(pids) == 1, "two processes that start at once share one server"
    server = EmbeddedServer(folder)
    assert server.running(), "it outlives those who started it"
    assert server.pid() in pids
    with psycopg.connect(server.url) as connection:
        assert not server.stop(only_unused=True)
        assert connection.execute("select 1").fetchone() == (1,)
    ended = time.monotonic() + 10
    while not server.stop(only_unused=True):
        assert time.monotonic() < ended
    assert not server.running()
    assert server.stop(), "stopping twice is fine"


def test_a_path_too_long_or_odd_for_a_socket_works_all_the_same(folder: Path) -> None:
    for name in ("x" * 120, 'it\'s, "odd" 測試'):
        server = EmbeddedServer(folder.parent / name / "pg")
        url = server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("select current_database()").fetchone() == ("isthmus",)
        socket_folder = Path(str(conninfo_to_dict(url)["host"]))
        assert socket_folder != server.folder
        assert socket_folder.stat().st_mode & 0o077 == 0
        server.stop()
        socket_folder.rmdir()


def test_a_lock_file_with_the_number_of_another_program_does_not_stop_the_start(folder: Path) -> None:
    server = EmbeddedServer(folder)
    server.start()
    lock_file = (folder / "postmaster.pid").read_text().splitlines()
    server.stop()
    (folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lock_file[1:]]) + "\n")
    assert server.pid() is None
    server.start()
    assert server.running()


def test_a_folder_left_half_made_is_made_again(folder: Path) -> None:
    fresh = folder.with_name(folder.name + ".new")
    fresh.mkdir()
    (fresh / "PG_VERSION").write_text("18\n")
    folder.mkdir()
    EmbeddedServer(folder).start()
    assert not fresh.exists()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(folder: Path) -> None:
    server = EmbeddedServer(folder)
    server.start()
    server.stop()
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = many\n")
    with pytest.raises(Unavailable, match="max_connections"):
        server.start()


def test_data_of_another_version_is_not_touched(folder: Path) -> None:
    server = EmbeddedServer(folder)
    server.start()
    server.stop()
    (folder / "PG_VERSION").write_text("14\n")
    with pytest.raises(Misconfigured, match="PostgreSQL 14"):
        server.start()


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(Misconfigured, match="/proc/nothing"):
        EmbeddedServer(Path("/proc/nothing/pg")).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_the_server_as_himself(folder: Path) -> None:
    user = pwd.getpwnam("nobody")
    os.chown(folder.parent, user.pw_uid, user.pw_gid)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            server = EmbeddedServer(folder)
            server.start()
            code = 0 if server.running() and server.stop() else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert (folder / "PG_VERSION").stat().st_uid == user.pw_uid
    # Root takes over what another user made: the server goes on running as its owner.
    server = EmbeddedServer(folder)
    server.start()
    pid = server.pid()
    assert pid is not None
    assert Path(f"/proc/{pid}").stat().st_uid == user.pw_uid


def test_a_server_whose_starter_was_killed_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives and does not take connections yet: a second one must not be started, nor the first one given up."""
    server = EmbeddedServer(folder)
    server.start()
    pid, recovering = server.pid(), iter([False, False, False])
    running = server.running
    monkeypatch.setattr(server, "running", lambda: next(recovering, None) is None and running())
    server.start()
    assert server.pid() == pid
    assert next(recovering, None) is None
