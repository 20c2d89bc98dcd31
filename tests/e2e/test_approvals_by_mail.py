"""Approvals as people have them: a hub as a process of its own, a real mail server, links, the command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from isthmus.app.approvals import ask_approval
from isthmus.desk.approval_rules import Facts
from isthmus.desk.approvals import Ask
from isthmus.lab.system import free_port
from tests.e2e.office import Said, isthmus
from tests.mail_fixtures import PostOffice

pytestmark = [pytest.mark.lab, pytest.mark.flow("OA-5"), pytest.mark.timeout(400)]

SETTINGS = """\
[hub]
name = "Desk"
database_url = "env:DESK_DATABASE_URL"
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"

[systems.unused]
kind = "rest"
url = "http://127.0.0.1:9"
definition = "unused.yaml"

[mail]
smtp = "127.0.0.1:{smtp}"
tls = "none"
sender = "Order desk <desk@lab.example>"
bounces_to = "bounces@lab.example"
imap = "127.0.0.1:{imap}"
imap_tls = "none"
imap_user = "bounces@lab.example"
imap_password = "file:secrets/mail"
"""

RULES = """\
currency: EUR
teams:
  sales: ["{anna}", "{ben}"]
people:
  "{chen}": {{name: 陈晨, language: zh}}
rules:
  - rule: small
    document: SalesOrder
    when: {{amount: {{below: 1000}}}}
    ask: nobody
  - rule: short
    document: Quote
    ask: [{{stage: lead, who: sales, within: 1m, escalate: "{boss}"}}]
  - rule: orders
    document: SalesOrder
    ask: [{{stage: lead, who: sales, within: 1d, escalate: "{boss}"}}]
"""


class DeskHub:
    """A project with mail and approvals, and its hub, which can be killed."""

    def __init__(self, folder: Path, post: PostOffice, url: str) -> None:
        self.folder, self.post = folder, post
        self.people = {name: post.address(name) for name in ("anna", "ben", "chen", "boss", "li")}
        self.port = free_port()
        (folder / "secrets").mkdir()
        (folder / "secrets" / "mail").write_text(post.system.credentials["password"])
        (folder / "unused.yaml").write_text("resources: {things: {path: /things}}\n")
        text = SETTINGS.format(port=self.port, smtp=post.system.smtp_port, imap=post.system.imap_port)
        (folder / "isthmus.toml").write_text(text)
        (folder / "approvals.yaml").write_text(RULES.format(**self.people))
        self.environment = {**os.environ, "DESK_DATABASE_URL": url, "ISTHMUS_LOG": "INFO"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "hub.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "isthmus", "run"], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        self.see(lambda: self.get("/health")[0] == 200)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def say(self, *words: str) -> Said:
        return isthmus(*words, "-C", self.folder)

    def ask(self, id: str, amount: str = "5000", document: str = "SalesOrder") -> None:
        wanted = Ask(
            id=id,
            key=id.upper(),
            title=f"Order <b>{id}</b>?",
            facts=Facts(document=document, amount=Decimal(amount), currency="EUR"),
            requester=self.people["li"],
        )
        asyncio.run(ask_approval(self.folder, wanted))

    def shown(self, id: str) -> Any:
        return self.say("approve", "show", id, "--json").json

    def see[T](self, probe: Callable[[], T | None], seconds: float = 90) -> T:
        limit = time.monotonic() + seconds
        while not (found := probe()):
            assert time.monotonic() < limit, f"not seen within {seconds:.0f} s:\n{self.log()[-3000:]}"
            time.sleep(0.2)
        return found

    def get(self, path: str, form: dict[str, str] | None = None, language: str = "en") -> tuple[int, str]:
        url = path if path.startswith("http") else f"http://127.0.0.1:{self.port}{path}"
        body = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, body, {"Accept-Language": language})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def mail_about(self, name: str, id: str, word: str = "", seconds: float = 90) -> EmailMessage:
        def found() -> EmailMessage | None:
            mails = self.post.mails(self.people[name])
            return next(
                (one for one in mails if id.upper() in str(one["Subject"]) and word in str(one["Subject"])), None
            )

        return self.see(found, seconds)

    def links(self, name: str, id: str, word: str = "", seconds: float = 90) -> dict[str, str]:
        body = self.mail_about(name, id, word, seconds).get_body(("plain",))
        assert body is not None
        text = "\n".join(body.get_content().splitlines())
        found = re.findall(r"^(\S+): (http://\S+/approve/\S+)$", text, re.MULTILINE)
        return dict(found)


@pytest.fixture
def hub(tmp_path: Path, post: PostOffice, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskHub]:
    monkeypatch.setenv("DESK_DATABASE_URL", database_url)
    made = DeskHub(tmp_path, post, database_url)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        assert post.system.credentials["password"] not in made.log()


def test_a_link_in_a_mail_approves_once(hub: DeskHub) -> None:
    hub.ask("so-1")
    [listed] = hub.say("approve", "list", "--who", hub.people["anna"], "--json").json
    assert listed["id"] == "so-1"
    links = hub.links("anna", "so-1")
    assert set(links) == {"Approve", "Refuse"}

    for _ in range(3):
        status, page = hub.get(links["Refuse"])
        assert status == 200
        assert "Order &lt;b&gt;so-1&lt;/b&gt;?" in page
        assert "<b>" not in page
    assert hub.shown("so-1")["answers"] == [], "a scanner that opens links decides nothing"

    status, page = hub.get(links["Approve"], {"comment": "fine"}, language="zh-CN")
    assert (status, "您已同意" in page) == (200, True)
    hub.see(lambda: hub.shown("so-1")["request"]["state"] == "approved")
    [answer] = hub.shown("so-1")["answers"]
    assert (answer["by"], answer["via"], answer["comment"]) == (hub.people["anna"], "mail", "fine")

    for link in (links["Approve"], links["Refuse"], hub.links("ben", "so-1")["Refuse"]):
        status, page = hub.get(link, {"comment": ""})
        assert status == 409
        assert "nothing to decide here any more" in page
    assert len(hub.shown("so-1")["answers"]) == 1
    assert "SO-1" in str(hub.mail_about("li", "so-1", "Approved")["Subject"])
    # A mail is in its mailbox a moment before the hub notes that it was taken.
    hub.see(lambda: {one["state"] for one in hub.say("notice", "list", "--json").json} == {"sent"})
    for name in ("anna", "ben", "li"):
        assert len(hub.post.mails(hub.people[name])) == 1


def test_a_link_that_was_changed_or_is_for_nobody(hub: DeskHub) -> None:
    hub.ask("so-1")
    link = hub.links("anna", "so-1")["Approve"]
    for wrong in (link[:-4] + "AAAA", link.rpartition("/")[0] + "/x", link.rpartition("/")[0] + "/" + "y" * 3000):
        for form in (None, {"comment": ""}):
            status, page = hub.get(wrong, form)
            assert (status, "not valid" in page) == (404, True)
    assert hub.shown("so-1")["answers"] == []


def test_the_wrong_person_the_requester_and_a_deputy_on_the_command_line(hub: DeskHub) -> None:
    people = hub.people
    hub.ask("so-1")
    for name in ("chen", "li"):
        said = hub.say("approve", "decide", "so-1", "approve", "--by", people[name])
        assert said.code == 1
        assert "not-entitled" in said.err
    until = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    said = hub.say(
        "delegation", "add", people["ben"], people["chen"], "--until", until, "--by", people["ben"], "--json"
    )
    assert said.code == 0, said
    [delegation] = hub.say("delegation", "list", "--json").json
    assert delegation["deputy"] == people["chen"]

    hub.ask("so-2")
    assert set(hub.links("chen", "so-2")) == {"同意", "拒绝"}, "the deputy is asked too, in his language"
    done = hub.say("approve", "decide", "so-1", "refuse", "--by", people["chen"], "--comment", "太贵", "--json")
    assert done.code == 0, done
    hub.see(lambda: hub.shown("so-1")["request"]["state"] == "refused")
    [answer] = hub.shown("so-1")["answers"]
    assert (answer["on_behalf_of"], answer["via"]) == (people["ben"], "cli")
    body = hub.mail_about("li", "so-1", "Refused").get_body(("plain",))
    assert body is not None
    assert f"{people['chen']}: 太贵" in body.get_content()
    assert "stage 1 lead" in hub.say("approve", "show", "so-1").out

    assert hub.say("delegation", "end", delegation["id"]).code == 0
    said = hub.say("approve", "decide", "so-2", "approve", "--by", people["chen"])
    assert (said.code, "not-entitled" in said.err) == (1, True)


def test_after_the_deadline_the_escalation_decides(hub: DeskHub) -> None:
    hub.ask("q-1", document="Quote")
    late = hub.links("anna", "q-1")["Approve"]
    links = hub.links("boss", "q-1", "Overdue", seconds=180)  # the deadline is a minute
    status, _ = hub.get(late, {"comment": ""})
    assert status == 404, "its time is over"
    said = hub.say("approve", "decide", "q-1", "approve", "--by", hub.people["anna"])
    assert (said.code, f"Now {hub.people['boss']} decides" in said.err.replace("\n", " ")) == (1, True)
    assert hub.get(links["Approve"], {"comment": ""})[0] == 200
    hub.see(lambda: hub.shown("q-1")["request"]["state"] == "approved")


@pytest.mark.flow("MAIL-1")
def test_a_mail_server_that_is_down_and_a_hub_that_is_killed_lose_nothing(hub: DeskHub) -> None:
    """Request and answer with one of both down each time; in the end everybody got each mail once."""
    hub.post.system.kill()
    hub.ask("so-1")
    hub.see(lambda: "mail.down" in hub.log())
    waiting = hub.see(lambda: [one for one in hub.say("notice", "list", "--json").json if one.get("problem")])
    assert "cannot be used" in waiting[0]["problem"]["message"]
    hub.kill()
    hub.ask("so-2")
    hub.post.system.start()
    hub.start()
    link = hub.links("anna", "so-1")["Approve"]
    hub.kill()
    done = hub.say("approve", "decide", "so-2", "approve", "--by", hub.people["ben"])
    assert done.code == 0, done
    hub.start()
    assert hub.get(link, {"comment": ""})[0] == 200
    for id in ("so-1", "so-2"):
        hub.see(lambda id=id: hub.shown(id)["request"]["state"] == "approved")
        hub.mail_about("li", id, "Approved")
    for name in ("anna", "ben", "li"):
        hub.see(lambda name=name: len(_received(hub, name)) >= 2)
        # A hub killed between sending and noting it sends again, under the same Message-ID (docs/notices.md).
        assert len(set(_received(hub, name).values())) == len(_received(hub, name)) == 2


def _received(hub: DeskHub, name: str) -> dict[str, str]:
    """Message-ID → subject of all that this person got."""
    return {str(mail["Message-ID"]): str(mail["Subject"]) for mail in hub.post.mails(hub.people[name])}


def test_a_bounce_is_shown_where_people_look(hub: DeskHub) -> None:
    text = (hub.folder / "approvals.yaml").read_text().replace(hub.people["ben"], hub.post.address("full"))
    (hub.folder / "approvals.yaml").write_text(text)
    hub.ask("so-1")
    [bounced] = hub.see(lambda: hub.say("notice", "list", "--state", "bounced", "--json").json, 180)
    assert bounced["recipient"] == hub.post.address("full")
    assert "Mailbox full" in hub.say("approve", "show", "so-1").out.replace("\n", " ")
    shown = hub.say("notice", "show", bounced["id"], "--json")
    assert json.loads(shown.out)["text"]["subject"].startswith("Order")
    assert hub.say("notice", "retry", bounced["id"]).code == 0
