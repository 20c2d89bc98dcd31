"""The mailbox to which bounces come. Blocking: call it in a thread."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from imap_tools import AND, BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted, MailMessageFlags
from imap_tools.errors import ImapToolsError

from isthmus.desk.mail_settings import Mailbox
from isthmus.errors import Unavailable
from isthmus.mail.bounce import Bounce, read_bounce

__all__ = ["mark_read", "unread_bounces"]

SECONDS = 30
LARGEST = 2 * 1024 * 1024
"""Bytes of a mail that is looked at; a notification is small."""
AT_ONCE = 50

_KINDS: dict[str, Callable[..., BaseMailBox]] = {
    "tls": MailBox,
    "starttls": MailBoxStartTls,
    "none": MailBoxUnencrypted,
}


def unread_bounces(mailbox: Mailbox, domain: str) -> list[tuple[str, Bounce | None]]:
    """(uid, bounce) of unread mail; None for what is no bounce of ours. Nothing is changed; see :func:`mark_read`.
    Raises :class:`Unavailable`."""
    with _opened(mailbox) as box:
        wanted = AND(seen=False, size_lt=LARGEST)
        return [
            (mail.uid or "", read_bounce(mail.obj, domain))
            for mail in box.fetch(wanted, limit=AT_ONCE, mark_seen=False, bulk=True)
        ]


def mark_read(mailbox: Mailbox, uids: Sequence[str]) -> None:
    """They will not be looked at again. Raises :class:`Unavailable`."""
    with _opened(mailbox) as box:
        box.flag(list(uids), MailMessageFlags.SEEN, value=True)


@contextmanager
def _opened(mailbox: Mailbox) -> Iterator[BaseMailBox]:
    try:
        box = _KINDS[mailbox.tls](mailbox.host, mailbox.port, timeout=SECONDS)
        try:
            box.login(mailbox.user, mailbox.password, mailbox.folder)
        except (ImapToolsError, imaplib.IMAP4.error, OSError):
            box.client.shutdown()
            raise
        with box:
            yield box
    except (ImapToolsError, imaplib.IMAP4.error, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise Unavailable(
            f"The mailbox for bounces at {mailbox.host}:{mailbox.port} cannot be read: {said}."
        ) from error
