"""Handing one mail after another to a mail server, with the one moment of doubt kept as short as it can be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from isthmus.desk.mail_settings import MailSettings
from isthmus.errors import Rejected, Unauthorized, Unavailable, UnknownOutcome

__all__ = ["ConnectionLost", "Session", "connect"]

SECONDS = 30.0
"""How long the mail server may take for one answer."""
DATA_SECONDS = 120.0
"""How long for a mail's data; RFC 5321 would allow ten minutes."""


class ConnectionLost(Unavailable):
    """The connection is of no use any more; the mail at hand was not sent."""


class Session:
    """A connection that is logged in."""

    def __init__(self, client: SMTP, bounces_to: str) -> None:
        self._client, self._bounces_to = client, bounces_to

    async def send(self, mail: EmailMessage, recipient: str, sending: Callable[[], Awaitable[None]]) -> None:
        """Hand one mail over. ``sending`` is called when the server has agreed to take it and just before its data
        goes: whatever fails before that, the mail was surely not sent.

        Raises :class:`Rejected` (never taken), :class:`Unavailable` (not taken now), :class:`ConnectionLost`,
        :class:`UnknownOutcome` (the data was sent and no answer came).
        """
        data = mail.as_bytes()
        try:
            await self._client.mail(self._bounces_to)
            await self._client.rcpt(recipient)
        except SMTPServerDisconnected as error:
            raise ConnectionLost(f"The mail server does not answer: {_told(error)}.") from error
        except SMTPResponseException as error:
            await self._reset()
            raise _refused(error) from error
        except (SMTPException, OSError) as error:
            raise ConnectionLost(f"The mail server does not answer: {_told(error)}.") from error
        except ValueError as error:
            await self._reset()
            raise Rejected(f"'{recipient}' is no address for this mail server: {_told(error)}.") from error
        await sending()
        try:
            await self._client.data(data, timeout=DATA_SECONDS)
        except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
            raise UnknownOutcome(f"The mail server gave no answer to a mail's data: {_told(error)}.") from error
        except SMTPResponseException as error:
            await self._reset()
            raise _refused(error) from error
        except SMTPException as error:
            raise UnknownOutcome(f"The mail server broke off: {_told(error)}.") from error

    async def _reset(self) -> None:
        try:
            await self._client.rset()
        except (SMTPException, OSError) as error:
            raise ConnectionLost(f"The mail server does not answer: {_told(error)}.") from error


@asynccontextmanager
async def connect(settings: MailSettings) -> AsyncIterator[Session]:
    """Connect, encrypt, log in. Raises :class:`Unavailable`, :class:`Unauthorized`."""
    client = SMTP(
        hostname=settings.host,
        port=settings.port,
        use_tls=settings.tls == "tls",
        start_tls=settings.tls == "starttls",
        tls_context=None if settings.tls == "none" else ssl.create_default_context(),
        username=settings.user or None,
        password=settings.password or None,
        timeout=SECONDS,
    )
    try:
        await client.connect()
    except SMTPAuthenticationError as error:
        client.close()
        raise Unauthorized(f"The mail server refuses our login: {_told(error)}.") from error
    except (SMTPException, OSError, ValueError) as error:
        client.close()
        raise Unavailable(f"The mail server {settings.host}:{settings.port} cannot be used: {_told(error)}.") from error
    try:
        yield Session(client, settings.bounces_to)
    finally:
        try:
            await asyncio.wait_for(client.quit(), 2)
        except (SMTPException, OSError, TimeoutError):
            pass  # the server will notice
        finally:
            client.close()


def _refused(error: SMTPResponseException) -> Rejected | Unavailable:
    """5xx will be the same tomorrow, 4xx may not."""
    text = f"The mail server said: {error.code} {_clean(error.message)}"
    return Rejected(text) if error.code >= 500 else Unavailable(text)


def _told(error: BaseException) -> str:
    return _clean(str(error)) or type(error).__name__


def _clean(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(".")
