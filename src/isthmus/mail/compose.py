"""From a notice to a mail: text and HTML from the same words, in the reader's language. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, StrictUndefined
from mjml import mjml2html

from isthmus.desk.notices import LANGUAGES, Notice

__all__ = ["Button", "Text", "compose", "message_id", "render"]


_OPTIONAL: Mapping[str, Any] = {
    "outstanding": "", "comments": (), "expired": False, "escalated": False, "replaces": "", "outcome": "", "due": "",
}  # fmt: skip
"""What texts ask for that a context need not have."""


class Button(msgspec.Struct, frozen=True):
    """A link with words on it."""

    label: str
    url: str


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice says."""

    language: str
    subject: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    """(label, value) lines."""
    footer: str


def message_id(notice: str, domain: str) -> str:
    """The Message-ID of a notice: the same at each try, so that whoever gets it twice can tell."""
    return f"<{notice}@{domain}>"


def render(notice: Notice, language: str) -> Text:
    """The words of a notice. Raises ``jinja2.UndefinedError`` when its context lacks what the text needs."""
    words = _words(language)
    texts = words["milestones"][notice.milestone]
    context = {**_OPTIONAL, "document": notice.document, "number": notice.key, **notice.context}
    context["document"] = words["documents"].get(context["document"], context["document"])
    plain = _environment()

    def filled(text: str) -> str:
        return plain.from_string(text).render(context).strip()

    labels = words["labels"]
    facts = [(labels[name], str(context[name])) for name in texts.get("facts", ()) if context.get(name)]
    facts += [(str(label), str(value)) for label, value in context.get("details", {}).items() if value]
    paragraphs = tuple(part for part in (p.strip() for p in filled(texts["body"]).split("\n\n")) if part)
    subject = " ".join(filled(texts["subject"]).split())
    return Text(
        language=language, subject=subject, paragraphs=paragraphs, facts=tuple(facts), footer=words["footer"].strip()
    )


def buttons_for(notice: Notice, language: str, links: Mapping[str, str]) -> tuple[Button, ...]:
    """The links that this mail offers, by what they do (approve, refuse)."""
    words = _words(language)["buttons"]
    return tuple(Button(words[name], url) for name, url in links.items())


def compose(
    notice: Notice,
    *,
    sender: str,
    domain: str,
    hub: str,
    language: str,
    links: Mapping[str, str] | None = None,
) -> EmailMessage:
    """The mail. ``language`` is used where the notice names none; ``hub`` is the name shown at the end; ``links`` are
    addresses by what they do."""
    spoken = notice.language if notice.language in LANGUAGES else language
    text = render(notice, spoken)
    buttons = buttons_for(notice, spoken, links or {})
    name, address = parseaddr(sender)
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = message_id(notice.id, domain)
    if notice.thread != notice.id:
        mail["In-Reply-To"] = message_id(notice.thread, domain)
        mail["References"] = message_id(notice.thread, domain)
    mail["From"] = Address(display_name=name, addr_spec=address)
    mail["To"] = Address(addr_spec=notice.recipient)
    mail["Subject"] = text.subject
    mail["Date"] = format_datetime(notice.queued_at)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_as_text(text, buttons, hub))
    mail.add_alternative(_as_html(text, buttons, hub), subtype="html")
    # Now: with the first content such a header would have become that part's own.
    mail["Content-Language"] = spoken
    return mail


def _as_text(text: Text, buttons: tuple[Button, ...], hub: str) -> str:
    parts = list(text.paragraphs)
    if text.facts:
        parts.append("\n".join(f"{label}: {value}" for label, value in text.facts))
    parts += [f"{button.label}: {button.url}" for button in buttons]
    parts.append(f"-- \n{hub} · {text.footer}")
    return "\n\n".join(parts) + "\n"


def _as_html(text: Text, buttons: tuple[Button, ...], hub: str) -> str:
    layout = _environment(html=True).from_string(_layout())
    return mjml2html(layout.render(text=text, buttons=buttons, hub=hub))


@cache
def _environment(*, html: bool = False) -> Environment:
    return Environment(autoescape=html, undefined=StrictUndefined)  # noqa: S701 - off for the text part only


@cache
def _words(language: str) -> Mapping[str, Any]:
    text = (files("isthmus.mail") / "texts" / f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _layout() -> str:
    return (files("isthmus.mail") / "texts" / "layout.mjml").read_text(encoding="utf-8")
