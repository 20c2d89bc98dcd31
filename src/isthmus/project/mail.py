"""``[mail]`` of isthmus.toml: how notices are sent, and where bounces come back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from isthmus.desk.mail_settings import Mailbox, MailSettings
from isthmus.desk.notices import LANGUAGES
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, mapping_of, text_of, word_of
from isthmus.project.secrets import is_reference, resolve

__all__ = ["MAIL_KEYS", "TLS", "read_mail"]

MAIL_KEYS = (
    "smtp",
    "tls",
    "user",
    "password",
    "sender",
    "language",
    "bounces_to",
    "imap",
    "imap_tls",
    "imap_user",
    "imap_password",
    "imap_folder",
)
"""Keys of ``[mail]``."""

TLS = ("starttls", "tls", "none")
"""How a connection is encrypted: from a command on, from its beginning, not at all."""

_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")


def read_mail(node: Node, folder: Path, environ: Mapping[str, str], faults: Faults) -> MailSettings | None:
    """The settings; None, with the faults remembered, when they cannot be used."""
    before = len(faults.found)
    entries = mapping_of(node, "[mail]", MAIL_KEYS, faults)
    for key in ("smtp", "sender"):
        if key not in entries:
            faults.add(node.place, f"[mail] has no '{key}'.")
    values = {key: _value(key, inner, folder, environ, faults) for key, inner in entries.items()}
    smtp = _address(entries, values, "smtp", faults)
    imap = _address(entries, values, "imap", faults)
    tls = word_of(entries["tls"], "tls", TLS, faults) if "tls" in entries else "starttls"
    imap_tls = word_of(entries["imap_tls"], "imap_tls", TLS, faults) if "imap_tls" in entries else "tls"
    language = word_of(entries["language"], "language", LANGUAGES, faults) if "language" in entries else "en"
    for key in ("sender", "bounces_to"):
        if values.get(key) and "@" not in parseaddr(values[key])[1]:
            faults.add(entries[key].place, f"'{key}' must hold a mail address.")
    for place, way, secret in ((smtp, tls, "password"), (imap, imap_tls, "imap_password")):
        if place is not None and way == "none" and values.get(secret) and not _is_loopback(place[0]):
            faults.add(entries[secret].place, "A password is never sent unencrypted.", "Use starttls or tls.")
    if imap is not None and not (values.get("imap_user") and values.get("imap_password")):
        faults.add(entries["imap"].place, "'imap' needs imap_user and imap_password.")
    if len(faults.found) > before or smtp is None:
        return None
    sender = values["sender"]
    return MailSettings(
        host=smtp[0],
        port=smtp[1],
        tls=tls or "starttls",
        user=values.get("user", ""),
        password=values.get("password", ""),
        sender=sender,
        language=language or "en",
        bounces_to=parseaddr(values.get("bounces_to", sender))[1],
        mailbox=None if imap is None else _mailbox(imap, imap_tls or "tls", values),
    )


def _mailbox(imap: tuple[str, int], tls: str, values: Mapping[str, str]) -> Mailbox:
    return Mailbox(
        host=imap[0],
        port=imap[1],
        tls=tls,
        user=values["imap_user"],
        password=values["imap_password"],
        folder=values.get("imap_folder", "INBOX"),
    )


def _value(key: str, node: Node, folder: Path, environ: Mapping[str, str], faults: Faults) -> str:
    text = text_of(node, f"'{key}'", faults)
    if text is None:
        return ""
    if key.endswith("password") and not is_reference(text):
        faults.add(node.place, f"'{key}' holds a password.", "Write env:NAME or file:PATH instead of it.")
        return ""
    return resolve(text, node.place, folder, environ, faults) or ""


def _address(
    entries: Mapping[str, Node], values: Mapping[str, Any], key: str, faults: Faults
) -> tuple[str, int] | None:
    if not values.get(key):
        return None
    found = _HOST_AND_PORT.fullmatch(values[key])
    if found is None or not 0 < int(found[2]) <= 65535:
        faults.add(entries[key].place, f"'{key}' must be HOST:PORT, as in mail.example.com:587.")
        return None
    return found[1].strip("[]"), int(found[2])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
