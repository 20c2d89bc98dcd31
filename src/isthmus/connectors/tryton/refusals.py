"""What Tryton's answers mean for the hub: every kind of error it sends, as one of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from isthmus.errors import (
    IsthmusError,
    Misconfigured,
    RateLimited,
    Rejected,
    Stale,
    Unauthorized,
    Unavailable,
    UnknownOutcome,
)

__all__ = ["CREDIT_LIMIT", "Confirmation", "refusal", "status_error"]

CREDIT_LIMIT = "*.credit_limit_amount"
"""Name of the warning about an order that exceeds its customer's credit limit; a digest of the order stands first."""

_FIELD = re.compile(r'field "([^"]+)"')
_NO_RIGHT = re.compile(r"^(You are not allowed to (access|execute)|Calling button)")
_LOST = re.compile(rb"server closed|connection (was )?(lost|closed|reset)|terminating connection", re.IGNORECASE)
"""What a lost database connection looks like in a 503: the commit may have happened just before it."""

_FIELDS_OF_LABELS = {
    "E-Mail": "email",
    "Email": "email",
    "Value": "contact_mechanisms",
    "Identifier": "identifiers",
    "Country": "addresses",
    "Subdivision": "addresses",
    "Unit": "unit",
    "Quantity": "lines",
    "Unit Price": "lines",
    "Product": "lines",
    "Customer Payment Term": "payment_term",
    "Sale Price List": "price_list",
    "Credit Limit Amount": "credit_limit",
}
"""Our field for a label in an error text; labels that are not listed become our name by themselves."""


class Confirmation(Rejected):
    """Tryton asks a person to confirm. ``name`` is what ``res.user.warning.skip`` takes."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(
            f"Tryton asks for a confirmation: {message} (warning {name})",
            advice="Do it in Tryton by hand, or list the warning in accept_warnings to let the hub answer yes.",
            field="credit_limit" if fnmatchcase(name, CREDIT_LIMIT) else None,
        )
        self.name = name


def refusal(error: Any, *, safe: bool, known: str | None = None) -> IsthmusError:
    """Our error for the ``error`` member of an answer. All of these were rolled back by Tryton.

    ``safe`` marks a read: an internal error then says nothing about a record, so it is not ``Rejected``. ``known`` is
    the object that was called, when it has answered before.
    """
    kind, detail = (error[0], error[1] if len(error) > 1 else "") if isinstance(error, list) and error else (error, "")
    match kind:
        case "UserError":
            return _user_error(detail)
        case "UserWarning":
            parts = detail if isinstance(detail, list) else [str(detail)]
            return Confirmation(str(parts[0]), _text(parts[1:]))
        case "ConcurrencyException":
            return Stale("The record was changed in Tryton in the meantime.")
        case "LoginException" | "LoginRedirectException":
            return Unauthorized("Tryton refuses the login.", advice="Check login and password in isthmus.toml.")
        case "RateLimitException":
            return RateLimited("Tryton asks us to slow down.")
    text = str(kind)[:300]
    if known is not None and text == repr(known):
        # Of two first calls after its start the second meets an empty list of models while the first one fills it
        # (trytond.pool). Nothing is wrong with the call.
        return Unavailable(f"Tryton is still starting: it has not loaded {text} yet.")
    if not safe:
        return Rejected(f"Tryton failed on this write: {text}.", advice="Tryton's own log has the whole story.")
    if text.startswith("'") and text.endswith("'"):
        return Misconfigured(
            f"This Tryton has no {text}.", advice="Is the module that brings it activated in this database?"
        )
    return Unavailable(f"Tryton failed while reading: {text}.", advice="Tryton's own log has the whole story.")


def _user_error(detail: Any) -> IsthmusError:
    parts = detail if isinstance(detail, list) else [str(detail)]
    message = _text(parts[:2])
    if _NO_RIGHT.match(message):
        return Unauthorized(
            f"Tryton: {message}", advice="Put the hub's user into the groups that may do this (see the README)."
        )
    found = _FIELD.search(message)
    return Rejected(f"Tryton refuses: {message}", field=_field(found[1]) if found else None)


def _field(label: str) -> str:
    return _FIELDS_OF_LABELS.get(label, re.sub(r"\W+", "_", label.strip().lower()))


def _text(parts: list[Any]) -> str:
    return " ".join(str(part).strip() for part in parts if part)[:1000]


def status_error(status: int, headers: Mapping[str, str], body: bytes, *, database: str, safe: bool) -> IsthmusError:
    """Our error for an answer that is not 200."""
    match status:
        case 401:
            return Unauthorized("Tryton refuses our session or login.", advice="Check login and password.")
        case 403:
            return Unauthorized(
                "Tryton does not offer this call to us (status 403).",
                advice="Is the module activated and the user in the right groups?",
            )
        case 404:
            return Unavailable(
                f"Tryton knows no database '{database}', or cannot reach it now (status 404).",
                advice="Check 'database'. A database made while Tryton runs shows up after some minutes.",
            )
        case 413 | 414:
            return Rejected(f"Tryton finds the request too large (status {status}).")
        case 503 if not safe and _LOST.search(body):
            return UnknownOutcome("Tryton lost its database during the write (status 503).")
        case 503:
            wait = headers.get("retry-after", "")
            return Unavailable(
                "Tryton could not finish and undid the call (status 503).", wait=float(wait) if wait.isdigit() else None
            )
    return Misconfigured(f"Tryton does not understand the call (status {status}).", advice="Is this Tryton 8.2?")
