"""The lab's mail server: real SMTP in, real IMAP out, and what its addresses do."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from isthmus.lab import Lab
from tests.mail_fixtures import PostOffice

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def send(post: PostOffice, to: str, sender: str = "") -> None:
    mail = EmailMessage()
    mail["Subject"], mail["To"], mail["Message-ID"] = "测试 – test", to, f"<{to}>"
    mail.set_content("Grüße 你好\n.a line that begins with a dot\n")
    with smtplib.SMTP("127.0.0.1", post.system.smtp_port, timeout=60) as client:
        client.send_message(mail, sender or post.system.credentials["bounces"], [to])


def test_what_is_sent_is_there_also_after_a_crash(post: PostOffice) -> None:
    to = post.address("anna")
    send(post, to)
    ports = post.system.smtp_port, post.system.imap_port
    post.system.kill()
    assert not post.system.is_up()
    post.system.start()
    assert (post.system.smtp_port, post.system.imap_port) == ports
    [mail] = post.mails(to)
    assert mail["Subject"] == "测试 – test"
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "Grüße 你好\n.a line that begins with a dot\n"
    assert post.mails(post.address("ben")) == []


def test_some_addresses_refuse_put_off_and_bounce(post: PostOffice) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="550"):
        send(post, post.address("refused"))
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="451"):
            send(post, post.address("later"))
    send(post, post.address("later"))
    assert len(post.mails(post.address("later"))) == 1
    back = post.address("sender")
    send(post, post.address("full"), back)
    [report] = post.mails(back)
    assert report.get_content_type() == "multipart/report"
    assert post.mails(post.address("full")) == []


def test_it_listens_on_this_machine_only_and_ends_when_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    try:
        lab.up(["mail"], size="small")
        [line] = [one for one in lab.status() if one.name == "mail"]
        assert (line.state, line.size) == ("up", "small")
        assert line.url == f"smtp://127.0.0.1:{lab.mail.smtp_port}"
        processes = lab.mail.processes()
        assert set(processes) == {"web", "imap"}
    finally:
        lab.down()
    assert not any(process.is_alive() for process in processes.values())
