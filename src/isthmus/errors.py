"""Every public error of Isthmus, grouped by what the hub does next.

    IsthmusError
    ├── Retryable               the hub waits and tries again by itself
    │   ├── Unavailable         nothing was sent, or nothing was changed
    │   │   ├── StoreUnavailable the hub's own memory cannot be used now
    │   │   └── Paused          a person has paused the far system
    │   ├── RateLimited         the far system asked us to slow down
    │   └── UnknownOutcome      a write was sent and its answer never came: look before trying again
    ├── Stale                   the record moved since we planned: observe and plan again, silently
    ├── NeedsPerson             the one record is set aside in the inbox, everything else goes on
    │   ├── Conflict            both sides changed the same field and no rule decides
    │   ├── Ambiguous           several records may be the same thing
    │   ├── Unmappable          the record cannot be expressed in the other system's terms
    │   ├── Rejected            the far system refused the write and said why
    │   ├── NotEntitled         who answers an approval request may not
    │   ├── AlreadyDecided      an approval request, or the stage asked about, has its answer
    │   ├── TooLate             an answer to an approval request after the deadline
    │   └── SignInRefused       who comes from an OpenID provider does not get in
    ├── Misconfigured           the project or a credential is wrong: stop that flow, say where
    │   └── Unauthorized        the far system refuses our credentials or rights
    ├── ProcessChanged          a process's function does not fit what it has behind it: that process stops
    └── LabError                a lab system cannot be installed, started or stopped

Each class has a stable ``code`` with an entry in docs/errors.md. A message says what happened; ``advice`` says
what you can do. Messages never contain secrets or whole bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AlreadyDecided",
    "Ambiguous",
    "Conflict",
    "IsthmusError",
    "LabError",
    "Misconfigured",
    "NeedsPerson",
    "NotEntitled",
    "Paused",
    "Place",
    "ProcessChanged",
    "RateLimited",
    "Rejected",
    "Retryable",
    "SignInRefused",
    "Stale",
    "StoreUnavailable",
    "TooLate",
    "Unauthorized",
    "Unavailable",
    "UnknownOutcome",
    "Unmappable",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's project a fault lies; line and column count from 1."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class IsthmusError(Exception):
    """Base of all errors that Isthmus raises on purpose."""

    code = "error"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip() if self.advice else self.message


class Retryable(IsthmusError):
    """The hub waits (``wait`` seconds, or its own back-off when None) and tries again."""

    code = "retryable"

    def __init__(self, message: str, *, wait: float | None = None, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.wait = wait


class Unavailable(Retryable):
    """The far system could not be reached or failed before it changed anything."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """The hub's own database cannot be used now, or let another transaction go first; nothing was changed."""

    code = "store-unavailable"


class Paused(Unavailable):
    """A person has paused the far system, or this resource of it; nothing was sent."""

    code = "paused"


class RateLimited(Retryable):
    """The far system answered that we call too often; ``wait`` is what it asked for, in seconds."""

    code = "rate-limited"


class UnknownOutcome(Retryable):
    """A write was sent but its answer never came; it may or may not have happened."""

    code = "unknown-outcome"


class Stale(IsthmusError):
    """The far record is not the one the write was planned from."""

    code = "stale"


class NeedsPerson(IsthmusError):
    """One record waits in the inbox; ``field`` names the field at fault when it is known."""

    code = "needs-person"

    def __init__(self, message: str, *, field: str | None = None, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.field = field


class Conflict(NeedsPerson):
    """Both sides changed the same field since they last agreed and no rule decides."""

    code = "conflict"


class Ambiguous(NeedsPerson):
    """Several records may be the same thing; linking by guess could join strangers."""

    code = "ambiguous"


class Unmappable(NeedsPerson):
    """A value cannot be expressed in the other side's terms."""

    code = "unmappable"


class Rejected(NeedsPerson):
    """The far system refused the write for a reason of its own, given in the message."""

    code = "rejected"


class NotEntitled(NeedsPerson):
    """This person may not decide that; the message says who does."""

    code = "not-entitled"


class AlreadyDecided(NeedsPerson):
    """An approval request or stage that has its answer; it is told which."""

    code = "already-decided"


class TooLate(NeedsPerson):
    """An answer after the deadline; the message says who decides now."""

    code = "too-late"


class SignInRefused(NeedsPerson):
    """Somebody does not get in by the OpenID provider; ``reason`` is the one word that pages explain, the message is
    for the audit log."""

    code = "sign-in-refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, advice="docs/operating.md says what each reason means.")
        self.reason = reason


class Misconfigured(IsthmusError):
    """The project is wrong; ``place`` says where (file:line:column)."""

    code = "misconfigured"

    def __init__(self, message: str, *, place: Place | None = None, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.place = place

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.place}: {text}" if self.place else text


class Unauthorized(Misconfigured):
    """The far system refuses our login, token or rights."""

    code = "unauthorized"


class ProcessChanged(IsthmusError):
    """The function of an open process does not begin with what the process has done."""

    code = "process-changed"


class LabError(IsthmusError):
    """A lab system cannot be installed, seeded, started or stopped."""

    code = "lab"
