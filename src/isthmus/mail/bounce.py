"""Reading delivery status notifications (RFC 3464). Pure; everything in such a mail comes from strangers."""

from __future__ import annotations

import re
from email.message import Message

import msgspec

__all__ = ["Bounce", "read_bounce"]

_MESSAGE_ID = re.compile(r"<([^<>@\s]+)@([^<>@\s]+)>")
_LONGEST = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Bounce(msgspec.Struct, frozen=True):
    """A mail of ours that could not be delivered."""

    notice: str
    """Id of the notice, from the Message-ID of our mail."""
    recipient: str
    reason: str
    """What the mail server said, with its status code."""


def read_bounce(mail: Message, domain: str) -> Bounce | None:
    """What a mail says of a mail of ours; None when it is no notification of a final failure, or about no mail of this
    domain. A delay is no failure: the mail server tries on."""
    if mail.get_content_type() != "multipart/report" or mail.get_param("report-type") != "delivery-status":
        return None
    failed = _failure(mail)
    about = _about(mail, domain)
    if failed is None or about is None:
        return None
    recipient, reason = failed
    return Bounce(about, recipient, reason)


def _failure(mail: Message) -> tuple[str, str] | None:
    """(recipient, reason) of the first recipient that failed for good."""
    for part in mail.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else []:
            if isinstance(block, Message) and str(block.get("Action", "")).strip().lower() == "failed":
                recipient = _after_type(str(block.get("Final-Recipient") or block.get("Original-Recipient") or ""))
                said = _after_type(str(block.get("Diagnostic-Code", "")))
                status = str(block.get("Status", "")).strip()
                return recipient.lower(), _clean(said if status in said else f"{status} {said}")
    return None


def _about(mail: Message, domain: str) -> str | None:
    """The notice whose mail is enclosed, whole or as headers."""
    for part in mail.walk():
        found = ""
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                found = str(inner[0].get("Message-ID", ""))
        elif part.get_content_type() == "text/rfc822-headers":
            text = part.get_payload(decode=True)
            headers = text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
            line = re.search(r"^message-id:\s*(\S+)", headers, re.IGNORECASE | re.MULTILINE)
            found = line[1] if line else ""
        match = _MESSAGE_ID.fullmatch(found.strip())
        if match is not None and match[2].lower() == domain:
            return match[1]
    return None


def _after_type(text: str) -> str:
    """``rfc822; a@b`` without its type."""
    return text.partition(";")[2].strip() or text.strip()


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()[:_LONGEST]
