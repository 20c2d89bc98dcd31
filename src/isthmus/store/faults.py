"""What went wrong between the hub and its database, as the hub's own errors. No message shows a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo, errors

from isthmus.errors import IsthmusError, Misconfigured, StoreUnavailable

__all__ = ["OLDEST", "check_version", "driver_errors", "parsed", "place", "translated"]

OLDEST = 15
"""Oldest PostgreSQL the hub runs on."""

_LOGIN = (errors.InvalidPassword, errors.InvalidAuthorizationSpecification)
_LOGIN_WORDS = ("authentication failed", "no password supplied", "pg_hba.conf", "role ", "no encryption")


def parsed(url: str) -> dict[str, str]:
    """The parts of a connection string; Misconfigured when it is none. libpq's own message is not passed on: it may
    quote the part of a mistyped URL that holds the password."""
    try:
        parts = conninfo.conninfo_to_dict(url)
        if not all(port.isdigit() for port in str(parts.get("port") or "5432").split(",") if port):
            raise psycopg.ProgrammingError("port")
    except psycopg.Error:
        raise Misconfigured(
            "The database URL is not a PostgreSQL connection string.",
            advice="It looks like postgresql://user:password@host:5432/database; special characters in the password "
            "are percent-encoded.",
        ) from None
    return {name: str(value) for name, value in parts.items() if value is not None}


def place(url: str) -> str:
    """Where the database is, for messages: host, port and name only."""
    parts = parsed(url)
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    return f"{host}:{parts.get('port', '5432')}/{parts.get('dbname') or parts.get('user', '')}"


def check_version(version: int, url: str) -> None:
    """``version`` is libpq's number, e.g. 150004."""
    if version < OLDEST * 10_000:
        raise Misconfigured(
            f"PostgreSQL at {place(url)} is version {version // 10_000}; the hub needs {OLDEST} or newer.",
            advice="Upgrade the server, or leave ISTHMUS_DATABASE_URL out to use the built-in one.",
        )


def translated(error: psycopg.Error, url: str) -> IsthmusError:
    """The hub's error for a driver's error."""
    text = _first_line(error, url)
    if isinstance(error, errors.UniqueViolation):
        return StoreUnavailable(f"Another process stored the same thing at the same moment ({text}).", wait=0.05)
    if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure | errors.LockNotAvailable):
        return StoreUnavailable(f"The database could not let this transaction through: {text}", wait=0.05)
    if isinstance(error, errors.InvalidCatalogName) or ('database "' in text and "does not exist" in text):
        return Misconfigured(f"There is no such database: {place(url)}.", advice="Create it, or correct the URL.")
    if isinstance(error, _LOGIN) or (error.sqlstate is None and any(word in text for word in _LOGIN_WORDS)):
        return Misconfigured(
            f"The database at {place(url)} refuses the login: {text}",
            advice="Check user and password of ISTHMUS_DATABASE_URL.",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return Misconfigured(
            f"The database user may not do what the hub needs: {text}",
            advice="Give it a database of its own (CREATE and TEMPORARY on the database).",
        )
    if isinstance(error, errors.DiskFull | errors.OutOfMemory | errors.ConfigurationLimitExceeded):
        return StoreUnavailable(f"The database server has no room: {text}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(f"The database at {place(url)} cannot be reached: {text}")
    return IsthmusError(f"The database refused a statement ({type(error).__name__}): {text}")


@contextmanager
def driver_errors() -> Iterator[None]:
    """The driver's own errors, out of those that the libraries wrap them in which reach the database by SQLAlchemy."""
    # Only who uses such a library has need of it: importing it takes longer than connecting.
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        driver = _driver_error(error)
        if driver is None:
            raise
        raise driver from None


def _driver_error(error: BaseException | None) -> psycopg.Error | None:
    """What the driver said, also where only giving back a connection that broke has failed in the end."""
    while error is not None and not isinstance(error, psycopg.Error):
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
    return error


def _first_line(error: psycopg.Error, url: str) -> str:
    """The message without its DETAIL (which quotes values), and never with the password in it."""
    text = (error.diag.message_primary or str(error).strip().split("\n", 1)[0]).strip()
    password = parsed(url).get("password")
    return text.replace(password, "***") if password else text
