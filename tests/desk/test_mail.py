"""What notices say, what bounces say, what links say: without any server."""

from __future__ import annotations

import email
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.desk.approval_state import Choice
from isthmus.desk.notices import LANGUAGES, MILESTONES, Notice
from isthmus.mail.bounce import read_bounce
from isthmus.mail.compose import compose, render
from isthmus.mail.links import Link, new_secret, read_link, sign_link

NOW = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
FULL: dict[str, Any] = {
    "title": "Order for 5,000?",
    "total": "1,190.00 EUR",
    "amount": "1,190.00 EUR",
    "reference": "PO 7",
    "requester": "li@lab.example",
    "due": "2031-05-07",
    "outstanding": "2 × Valve",
    "carrier": "DHL",
    "tracking": "123",
    "comments": ["anna@lab.example: no"],
    "details": {"Station": "Kassel"},
}


def notice(milestone: str = "order_confirmed", **more: Any) -> Notice:
    values: dict[str, Any] = {
        "id": "n2",
        "milestone": milestone,
        "document": "SalesOrder",
        "key": "SO1",
        "recipient": "buyer@acme.example",
        "language": "",
        "context": {"title": "?"},
        "thread": "n1",
        "next_at": NOW,
        "queued_at": NOW,
    }
    return Notice(**{**values, **more})


def made(one: Notice, **more: Any) -> EmailMessage:
    mail = compose(
        one,
        sender="Hüb <hub@lab.example>",
        domain="lab.example",
        hub="lab",
        language=more.pop("language", "en"),
        **more,
    )
    parsed = email.message_from_bytes(mail.as_bytes(), policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("milestone", MILESTONES)
@pytest.mark.parametrize("context", [FULL, {"title": "?"}], ids=["full", "bare"])
def test_every_milestone_has_its_words(milestone: str, language: str, context: dict[str, Any]) -> None:
    mail = made(notice(milestone, context=context), language=language)
    assert "SO1" in str(mail["Subject"])
    plain, html = body(mail, "plain"), body(mail, "html")
    text = render(notice(milestone, context=context), language)
    assert text.paragraphs
    for said in (*text.paragraphs, *(value for _, value in text.facts)):
        assert said in plain
        assert said.replace("&", "&amp;") in html
    assert mail["Content-Language"] == language
    assert "None" not in plain
    assert "{{" not in plain + html


def test_texts_of_both_languages_differ() -> None:
    for milestone in MILESTONES:
        said = {render(notice(milestone, context=FULL), language).subject for language in LANGUAGES}
        assert len(said) == len(LANGUAGES), milestone


def test_headers_thread_and_mark_it_as_automatic() -> None:
    mail = made(notice())
    assert mail["Message-ID"] == "<n2@lab.example>"
    assert mail["In-Reply-To"] == mail["References"] == "<n1@lab.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert str(mail["From"]) == "Hüb <hub@lab.example>"
    first = made(notice(id="n1"))
    assert first["In-Reply-To"] is None


def test_the_same_notice_makes_the_same_mail() -> None:
    one, other = (made(notice()) for _ in range(2))
    assert (one["Message-ID"], one["Date"], body(one, "plain")) == (
        other["Message-ID"],
        other["Date"],
        body(other, "plain"),
    )


def test_values_are_escaped_and_stay_in_their_header() -> None:
    evil = '<script>alert(1)</script> & "x" {{ 7 * 7 }}\r\nBcc: all@acme.example'
    mail = made(
        notice("approval_needed", context={"title": evil, "details": {"<b>": "</mj-text><mj-raw>"}}),
        links={"approve": "https://hub/approve/x?a=1&b=2"},
    )
    assert mail["Bcc"] is None
    html = body(mail, "html")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html
    assert "&lt;b&gt;" in html
    assert 'href="https://hub/approve/x?a=1&amp;b=2"' in html
    assert "Approve: https://hub/approve/x?a=1&b=2" in body(mail, "plain")


@pytest.mark.parametrize("address", ["nobody", "a@b@c", "a@b\r\nBcc: c@d", ""])
def test_an_address_that_is_none_makes_no_mail(address: str) -> None:
    with pytest.raises((ValueError, IndexError, email.errors.MessageError)):
        made(notice(recipient=address))


REPORT = """\
From: MAILER-DAEMON@acme.example
To: bounces@lab.example
Subject: failed
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It failed.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.acme.example

Final-Recipient: rfc822; Buyer@acme.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such
 user here
--b
Content-Type: message/rfc822

Message-ID: <n2@lab.example>
Subject: Order SO1

Text
--b--
"""


def reported(text: str) -> Any:
    return read_bounce(email.message_from_string(text), "lab.example")


def test_a_bounce_says_which_mail_and_why() -> None:
    found = reported(REPORT)
    assert (found.notice, found.recipient) == ("n2", "buyer@acme.example")
    assert found.reason.split() == "550 5.1.1 No such user here".split()


def test_a_bounce_with_headers_only() -> None:
    assert reported(REPORT.replace("message/rfc822", "text/rfc822-headers")).notice == "n2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Action: failed", "Action: delayed"),
        ("Action: failed", "Action: delivered"),
        ("<n2@lab.example>", "<n2@elsewhere.example>"),
        ("report-type=delivery-status", "report-type=disposition-notification"),
        ("multipart/report; report-type=delivery-status", "multipart/mixed"),
        ("Message-ID: <n2@lab.example>\n", ""),
    ],
)
def test_what_is_no_bounce_of_ours(old: str, new: str) -> None:
    assert old in REPORT
    assert reported(REPORT.replace(old, new)) is None


@given(st.binary(max_size=600))
def test_no_mail_breaks_the_reader(data: bytes) -> None:
    head, _, tail = REPORT.encode().partition(b"Reporting-MTA")
    for raw in (data, head + data + tail):
        read_bounce(email.message_from_bytes(raw), "lab.example")


SECRET = new_secret()
LINK = Link("so-1", 0, False, "anna@lab.example", Choice.APPROVE, int((NOW + timedelta(hours=1)).timestamp()))


def test_a_link_says_what_was_signed_until_its_time_is_over() -> None:
    text = sign_link(LINK, SECRET)
    assert read_link(text, SECRET, NOW) == LINK
    assert read_link(text, SECRET, NOW + timedelta(hours=1)) is None
    assert read_link(text, new_secret(), NOW) is None


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_a_changed_link_says_nothing(at: int, letter: str) -> None:
    text = sign_link(LINK, SECRET)
    at %= len(text)
    changed = text[:at] + letter + text[at + 1 :]
    # The last letter of base64 has bits that say nothing.
    assert changed == text or at == len(text) - 1 or read_link(changed, SECRET, NOW) is None


@pytest.mark.parametrize("text", ["", "x", "." * 5000, "e30.AAAA", "\x00"])
def test_junk_is_no_link(text: str) -> None:
    assert read_link(text, SECRET, NOW) is None
