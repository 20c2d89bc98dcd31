"""A mail server for the lab: SMTP by aiosmtpd (Apache-2.0), IMAP by pymap (MIT), mail in Maildir folders."""

from .system import MailServer

__all__ = ["MailServer"]
