"""A real mail server for tests: SMTP and IMAP of the lab, started once a session."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
from imap_tools import MailBoxUnencrypted
from imap_tools.errors import MailboxLoginError

from isthmus.desk.mail_settings import Mailbox, MailSettings
from isthmus.lab import Lab

__all__ = ["PostOffice", "post", "post_office"]


class PostOffice:
    """The mail server as people and tests see it. Addresses of one test are its own: ``post.address("anna")``."""

    def __init__(self, lab: Lab) -> None:
        self.system, self._tests = lab.mail, 0

    def next_test(self) -> None:
        self._tests += 1
        self.system.start()

    def address(self, name: str) -> str:
        return f"{name}+{self._tests}@lab.example"

    def mails(self, address: str) -> list[EmailMessage]:
        """Everything that lies in a mailbox, oldest first."""
        password = self.system.credentials["password"]
        box = MailBoxUnencrypted("127.0.0.1", self.system.imap_port, timeout=60)
        try:
            box.login(address, password)
        except MailboxLoginError:
            box.client.shutdown()
            return []  # a mailbox is made when the first mail comes
        with box:
            raw = [mail.obj.as_bytes() for mail in box.fetch(mark_seen=False)]
        parsed = [BytesParser(policy=default).parsebytes(one) for one in raw]
        assert all(isinstance(one, EmailMessage) for one in parsed)
        return parsed  # type: ignore[return-value]

    def wait_for(self, address: str, count: int = 1, seconds: float = 90.0) -> list[EmailMessage]:
        limit = time.monotonic() + seconds
        while len(found := self.mails(address)) < count:
            assert time.monotonic() < limit, f"{address} has {len(found)} mails after {seconds:.0f} s, not {count}"
            time.sleep(0.2)
        return found

    def settings(self) -> MailSettings:
        bounces, password = self.system.credentials["bounces"], self.system.credentials["password"]
        return MailSettings(
            host="127.0.0.1",
            port=self.system.smtp_port,
            tls="none",
            sender="Lab orders <orders@lab.example>",
            bounces_to=bounces,
            mailbox=Mailbox(host="127.0.0.1", port=self.system.imap_port, tls="none", user=bounces, password=password),
        )


@pytest.fixture(scope="session")
def post_office() -> Iterator[PostOffice]:
    home = Path(tempfile.mkdtemp(prefix="isthmus-mail-"))
    lab = Lab(home)
    try:
        lab.up(["mail"], size="small")
        yield PostOffice(lab)
    finally:
        lab.down()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def post(post_office: PostOffice) -> PostOffice:
    """The mail server, running, with addresses that no other test has."""
    post_office.next_test()
    return post_office
