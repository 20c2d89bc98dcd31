"""The outbox of the ERP: every change, once its transaction is decided, and none appears behind the reader."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from isthmus.lab import Lab
from isthmus.lab.people import ErpFault, ErpUser

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SECRET = "a secret of the test"


def now(user: ErpUser) -> str:
    cursor: str = user.call("model.isthmus.outbox.changes", None, 1)["cursor"]
    return cursor


def changes(user: ErpUser, since: str, limit: int = 1000) -> list[dict[str, Any]]:
    """Everything since, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        page = user.call("model.isthmus.outbox.changes", since, limit)
        assert page["gap"] is False
        rows += page["rows"]
        since = page["cursor"]
        if not page["more"]:
            return rows


def test_from_now_gives_a_cursor_and_no_rows(hub_in_erp: ErpUser) -> None:
    page = hub_in_erp.call("model.isthmus.outbox.changes", None, 10)
    assert page["rows"] == []
    assert (page["more"], page["gap"]) == (False, False)
    assert changes(hub_in_erp, page["cursor"]) == []


def test_tells_what_happened_to_whom_and_whose_it_was(erin: ErpUser, hub_in_erp: ErpUser) -> None:
    since = now(hub_in_erp)
    party = erin.create_customer("Outbox & Sons", email="outbox@sons.example", city="Bremen", country="DE")
    erin.patch_party(party, name="Outbox & Daughters")
    erin.delete_party(party)
    rows = changes(hub_in_erp, since)
    mine = [row for row in rows if row["model"] == "party.party" and row["record"] == party]
    assert "create" in {row["event"] for row in mine}
    assert mine[-1]["event"] == "delete"
    assert any(row["event"] == "write" and row["fields"] == ["name"] for row in mine)
    assert {row["user"] for row in mine} == {erin.id}
    parent = f"party.party,{party}"
    children = {(row["model"], row["event"]) for row in rows if parent in row["parents"]}
    assert {("party.address", "create"), ("party.contact_mechanism", "create")} <= children
    assert {("party.address", "delete"), ("party.contact_mechanism", "delete")} <= children


def test_pages_join_without_a_gap(erin: ErpUser, hub_in_erp: ErpUser) -> None:
    since = now(hub_in_erp)
    for number in range(3):
        erin.create_customer(f"Page {number}")
    whole = changes(hub_in_erp, since)
    assert changes(hub_in_erp, since, limit=2) == whole
    assert len({row["id"] for row in whole}) == len(whole) >= 9


def test_merge_of_parties_is_seen(erin: ErpUser, hub_in_erp: ErpUser) -> None:
    kept, double = erin.create_customer("Kept"), erin.create_customer("Double")
    since = now(hub_in_erp)
    erin.merge_parties(double, kept)
    rows = changes(hub_in_erp, since)
    assert any(row["record"] == double and "replaced_by" in row["fields"] for row in rows)


def test_a_price_change_is_seen(erin: ErpUser, hub_in_erp: ErpUser) -> None:
    product = erin.product("GSK-0011")
    assert product is not None
    since = now(hub_in_erp)
    erin.change_list_price("GSK-0011", "123.45")
    rows = changes(hub_in_erp, since)
    assert any(
        row["model"] == "product.template" and row["record"] == product["template"] and "list_price" in row["fields"]
        for row in rows
    )


class Writer:
    """A transaction that stays open: raw SQL, because over RPC every call is a transaction of its own."""

    def __init__(self, lab: Lab) -> None:
        postgres = lab.tryton.postgres()
        psql = postgres.programs / "psql"
        self._shell = subprocess.Popen(
            [psql, "-X", "-q", "-A", "-t", "-h", postgres.socket_folder, "-U", "postgres", "-d", lab.tryton.database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def run(self, sql: str) -> str:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{sql};\nSELECT 'done';\n")
        lines = iter(self._shell.stdout.readline, "done\n")
        return "".join(lines).strip()

    def append(self, record: int) -> None:
        self.run(
            "INSERT INTO isthmus_outbox (model, record, event, xid, create_date) VALUES "
            f"('test.race', {record}, 'write', pg_current_xact_id()::text::bigint, CURRENT_TIMESTAMP)"
        )

    def close(self) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.stdout.close()
        self._shell.wait(10)


@pytest.fixture
def writers(lab_small: Lab) -> Iterator[tuple[Writer, Writer]]:
    both = Writer(lab_small), Writer(lab_small)
    yield both
    for writer in both:
        writer.close()


def test_a_transaction_that_commits_late_is_not_lost(writers: tuple[Writer, Writer], hub_in_erp: ErpUser) -> None:
    """The slow one takes its ids first and commits last: the reader in between must not run past it."""
    slow, quick = writers
    cursor = now(hub_in_erp)
    slow.run("BEGIN")
    slow.append(1)
    quick.run("BEGIN")
    quick.append(2)
    quick.run("COMMIT")

    page = hub_in_erp.call("model.isthmus.outbox.changes", cursor, 100)
    seen = [row["record"] for row in page["rows"] if row["model"] == "test.race"]
    slow.append(3)
    slow.run("COMMIT")
    page = hub_in_erp.call("model.isthmus.outbox.changes", page["cursor"], 100)
    seen += [row["record"] for row in page["rows"] if row["model"] == "test.race"]
    assert sorted(seen) == [1, 2, 3]
    assert len(seen) == 3


def test_a_transaction_that_rolls_back_leaves_nothing_and_blocks_nothing(
    writers: tuple[Writer, Writer], hub_in_erp: ErpUser
) -> None:
    failing, other = writers
    cursor = now(hub_in_erp)
    failing.run("BEGIN")
    failing.append(10)
    other.append(11)
    failing.run("ROLLBACK")
    assert [row["record"] for row in changes(hub_in_erp, cursor) if row["model"] == "test.race"] == [11]


def test_many_writers_at_once_lose_nothing(lab_small: Lab, hub_in_erp: ErpUser) -> None:
    login = lab_small.tryton.credentials["erin"]
    cursor = now(hub_in_erp)
    made: list[int] = []

    def work(name: str) -> None:
        user = ErpUser(lab_small.tryton.url, lab_small.tryton.database, login["login"], login["password"])
        for number in range(4):
            for attempt in range(10):
                try:
                    made.append(user.create_customer(f"Race {name} {number}"))
                    break
                except Exception:  # Tryton answers 503 when two take the same sequence: again
                    time.sleep(0.1 * (attempt + 1))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    while any(thread.is_alive() for thread in threads):
        page = hub_in_erp.call("model.isthmus.outbox.changes", cursor, 7)
        cursor = page["cursor"]
        seen += [row["id"] for row in page["rows"] if (row["model"], row["event"]) == ("party.party", "create")]
        time.sleep(0.02)
    rows = changes(hub_in_erp, cursor)
    seen += [row["id"] for row in rows if (row["model"], row["event"]) == ("party.party", "create")]
    assert len(made) == 16
    assert len(seen) == len(set(seen)) == 16


def test_a_purged_past_is_said_and_not_silently_skipped(lab_small: Lab, erin: ErpUser, hub_in_erp: ErpUser) -> None:
    old = now(hub_in_erp)
    erin.create_customer("Of long ago")
    hub_in_erp.call("model.isthmus.outbox.purge", -1)
    page = hub_in_erp.call("model.isthmus.outbox.changes", old, 100)
    assert page["gap"] is True
    assert page["rows"] == []
    erin.create_customer("Of today")
    assert changes(hub_in_erp, page["cursor"])


@pytest.mark.parametrize("cursor", ["1.2.3", "nonsense", ""])
def test_a_cursor_of_another_database_is_a_gap(hub_in_erp: ErpUser, cursor: str) -> None:
    page = hub_in_erp.call("model.isthmus.outbox.changes", cursor, 100)
    assert page["gap"] is True
    assert changes(hub_in_erp, page["cursor"]) == []


def test_nobody_reads_the_secrets(hub_in_erp: ErpUser) -> None:
    with pytest.raises((ErpFault, Exception), match=r"403|read"):
        hub_in_erp.read("isthmus.outbox.subscription", [], ["secret"])


class Listener:
    """Takes hints on a loopback port; one that ``hangs`` answers when it is closed."""

    def __init__(self, hangs: bool = False) -> None:
        self.released = threading.Event()
        if not hangs:
            self.released.set()
        self.got: queue.Queue[tuple[str, bytes]] = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.put((self.headers["X-Isthmus-Signature"], body))
                outer.released.wait(120)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hint"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def test_a_signed_hint_follows_the_commit(erin: ErpUser, hub_in_erp: ErpUser) -> None:
    listener = Listener()
    hub_in_erp.call("model.isthmus.outbox.subscribe", listener.url, SECRET)
    try:
        party = erin.create_customer("Hinted")
        signature, body = listener.got.get(timeout=60)
        parts = dict(part.split("=", 1) for part in signature.split(","))
        expected = hmac.new(SECRET.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(parts["v1"], expected)
        assert abs(int(parts["t"]) - time.time()) < 60
        hint = json.loads(body)
        assert ["party.party", party] in hint["records"]
        assert hint["database"] == "erp"
    finally:
        hub_in_erp.call("model.isthmus.outbox.unsubscribe", listener.url)
        listener.close()
    erin.create_customer("Not hinted")
    assert listener.got.empty() or "Not hinted" not in str(listener.got.queue)


def test_a_subscriber_that_hangs_or_is_gone_slows_nobody(erin: ErpUser, hub_in_erp: ErpUser) -> None:
    listener = Listener(hangs=True)
    gone = "http://127.0.0.1:9/hint"
    for url in (listener.url, gone):
        hub_in_erp.call("model.isthmus.outbox.subscribe", url, SECRET)
    try:
        erin.create_customer("First, wakes the sender")
        assert listener.got.get(timeout=60), "the sender is at it"
        started = time.monotonic()
        erin.create_customer("Second, while the first hint hangs")
        assert time.monotonic() - started < 60, "it hangs twice as long"
    finally:
        for url in (listener.url, gone):
            hub_in_erp.call("model.isthmus.outbox.unsubscribe", url)
        listener.close()
