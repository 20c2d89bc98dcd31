"""How a project sends mail, and where bounces come back."""

from __future__ import annotations

from email.utils import parseaddr

import msgspec

__all__ = ["MailSettings", "Mailbox"]


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """The IMAP mailbox to which bounces come."""

    host: str
    port: int
    tls: str = "tls"
    user: str
    password: str
    folder: str = "INBOX"

    def __repr__(self) -> str:
        return f"Mailbox(host={self.host!r}, port={self.port}, user={self.user!r})"


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How notices are sent."""

    host: str
    port: int
    tls: str = "starttls"
    user: str = ""
    password: str = ""
    sender: str
    """Shown as From: ``Acme <orders@acme.example>``."""
    language: str = "en"
    """Of notices to people whose language is not known."""
    bounces_to: str
    """Envelope sender: where mail that cannot be delivered comes back to."""
    mailbox: Mailbox | None = None
    """None: bounces are not read."""

    @property
    def domain(self) -> str:
        """Domain of the sender, for Message-IDs."""
        return parseaddr(self.sender)[1].rpartition("@")[2].lower()

    def __repr__(self) -> str:
        return f"MailSettings(host={self.host!r}, port={self.port}, sender={self.sender!r})"
