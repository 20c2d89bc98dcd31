"""The lab's SMTP server. Runs in the lab's own environment, not in Isthmus.

Every address has a mailbox, made when the first mail for it comes; IMAP shows it under the address as login. Some local
parts behave as the world does: ``refused`` does not exist (550 at once), ``later`` is greylisted (451 twice, then
taken), ``full`` is taken and bounced afterwards by a delivery status notification to the envelope's sender, ``slow`` is
answered only after its data was stored and five seconds have passed.
"""

import asyncio
import email.message
import email.policy
import email.utils
import fcntl
import mailbox
import sys
import time
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP  # type: ignore[import-not-found]

HOME = Path(sys.argv[1])
PORT = int(sys.argv[2])
LARGEST = 20 * 1024 * 1024
SLOW_SECONDS = 5.0


def local_part(address: str) -> str:
    """The part of an address that says how it behaves."""
    return address.partition("@")[0].partition("+")[0].lower()


def deliver(address: str, data: bytes) -> None:
    """Put a mail into the mailbox of ``address``; makes the mailbox."""
    name = address.lower()
    folder = HOME / "mail" / name
    with (HOME / "users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            mailbox.Maildir(folder).close()
            secret = (HOME / "password.hash").read_text().strip()
            for file, line in (
                ("pymap-etc-passwd", f"{name}:x::::{name}:"),
                ("pymap-etc-shadow", f"{name}:{secret}::::::"),
            ):
                with (HOME / "mail" / file).open("a") as stream:
                    stream.write(line + "\n")
    mailbox.Maildir(folder).add(data)


def bounce(sender: str, recipient: str, data: bytes) -> None:
    """A delivery status notification as RFC 3464 has it."""
    report = email.message.EmailMessage(policy=email.policy.SMTP)
    report["From"] = "Mail Delivery System <MAILER-DAEMON@lab.example>"
    report["To"] = sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = email.utils.formatdate()
    report["Message-ID"] = email.utils.make_msgid(domain="lab.example")
    report["Auto-Submitted"] = "auto-replied"
    report.set_content(f"Your mail to {recipient} could not be delivered: the mailbox is full.\n")
    report.make_mixed()
    report.set_type("multipart/report")
    report.set_param("report-type", "delivery-status")
    status = email.message.Message()
    status["Content-Type"] = "message/delivery-status"
    about_server, about_recipient = email.message.Message(), email.message.Message()
    about_server["Reporting-MTA"] = "dns; lab.example"
    about_recipient["Final-Recipient"] = f"rfc822; {recipient}"
    about_recipient["Action"] = "failed"
    about_recipient["Status"] = "5.2.2"
    about_recipient["Diagnostic-Code"] = "smtp; 552 5.2.2 Mailbox full"
    status.set_payload([about_server, about_recipient])
    report.attach(status)  # type: ignore[arg-type]
    headers = email.message.Message()
    headers["Content-Type"] = "text/rfc822-headers"
    headers.set_payload(data.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace") + "\n")
    report.attach(headers)  # type: ignore[arg-type]
    deliver(sender, report.as_bytes())


class Handler:
    """Takes mail in."""

    def __init__(self) -> None:
        self.tries: dict[str, int] = {}

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Know the addresses that refuse."""
        if local_part(address) == "refused":
            return "550 5.1.1 No such user here"
        if local_part(address) == "later":
            self.tries[address] = self.tries.get(address, 0) + 1
            if self.tries[address] <= 2:
                return "451 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        """Store, or bounce."""
        data = envelope.content
        for address in envelope.rcpt_tos:
            if local_part(address) == "full" and envelope.mail_from:
                bounce(envelope.mail_from, address, data)
            else:
                deliver(address, data)
            sys.stdout.write(f"{time.strftime('%H:%M:%S')} {envelope.mail_from} to {address}\n")
            sys.stdout.flush()
        if any(local_part(address) == "slow" for address in envelope.rcpt_tos):
            await asyncio.sleep(SLOW_SECONDS)
        return "250 OK"


async def main() -> None:
    """Until it is killed."""
    loop, handler = asyncio.get_running_loop(), Handler()
    server = await loop.create_server(
        lambda: SMTP(handler, data_size_limit=LARGEST, enable_SMTPUTF8=True, hostname="lab.example", loop=loop),
        "127.0.0.1",
        PORT,
    )
    async with server:
        await server.serve_forever()


asyncio.run(main())
