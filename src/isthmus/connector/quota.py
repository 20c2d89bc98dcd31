"""What a far system says of how often it may be called: the usual headers of its answers, read in one place.

Understood are ``RateLimit`` and ``RateLimit-Policy`` (IETF draft-ietf-httpapi-ratelimit-headers, both its list of named
items and the older ``limit=, remaining=, reset=``), ``RateLimit-Limit`` with ``-Remaining`` and ``-Reset`` (its first
drafts), the same with ``X-`` or ``X-Rate-Limit-``, a window's name at the end (``X-RateLimit-Remaining-Minute``), and
``Retry-After``. What cannot be read is passed by: it is a courtesy, and no answer fails for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

__all__ = ["WAIT", "Quota", "quotas_of", "wait_of"]

WAIT = "wait"
"""The name of what ``Retry-After`` says: nothing is left until then."""
_WINDOWS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "daily": 86400.0, "month": 2592000.0}
_ITEM = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^;,\s]+)((?:\s*;\s*[^;,]+)*)\s*(?:,|$)')
_OLD = re.compile(r"^(?:x-)?rate-?limit-(limit|remaining|reset)(?:-(\w+))?$")
_LONGEST_NAME = 60
_LARGEST = 10**15
_EPOCH = 1_000_000_000.0
"""From here on a reset is a moment (seconds since 1970), and no time to wait; in thousands of it, milliseconds."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as the system last told it, in calls or in the system's own units."""

    name: str
    """What the system calls it; empty when it has one limit without a name."""
    most: int | None = None
    """Allowed in a window; None: it does not say."""
    left: int
    window: float | None = None
    """Seconds."""
    renews_at: datetime | None = None
    """When there is more again."""
    seen_at: datetime


def quotas_of(headers: Mapping[str, str], now: datetime) -> list[Quota]:
    """All limits of an answer; ``headers`` by names in lower case."""
    found = {quota.name: quota for quota in [*_by_old_names(headers, now), *_by_draft(headers, now)]}
    wait = wait_of(headers, now)
    if wait is not None:
        found[WAIT] = Quota(name=WAIT, left=0, renews_at=_after(now, wait), seen_at=now)
    return list(found.values())


def wait_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks for, written as a number or as a date."""
    text = headers.get("retry-after", "").strip()
    number = _number(text)
    if number is not None:
        return float(number)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date without a zone is in GMT, by RFC 9110.
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def _by_draft(headers: Mapping[str, str], now: datetime) -> list[Quota]:
    limits, policies = _items(headers.get("ratelimit", "")), _items(headers.get("ratelimit-policy", ""))
    plain = {name.partition("=")[0]: name.partition("=")[2] for name in limits if "=" in name}
    if "remaining" in plain:
        left = _number(plain["remaining"])
        window = next((_number(given.get("w", "")) for given in policies.values()), None)
        return _made(
            "", _number(plain.get("limit", "")), left, window, _moment(plain.get("reset", ""), now), now
        )  # fmt: skip
    found = []
    for name, given in limits.items():
        policy = policies.get(name, {})
        renews = _moment(given.get("t", ""), now)
        window, most = _number(policy.get("w", "")), _number(policy.get("q", ""))
        found += _made("" if name == "default" else name, most, _number(given.get("r", "")), window, renews, now)
    return found


def _by_old_names(headers: Mapping[str, str], now: datetime) -> list[Quota]:
    parts: dict[str, dict[str, str]] = {}
    for header, value in headers.items():
        if (match := _OLD.fullmatch(header.replace("x-rate-limit", "x-ratelimit"))) is not None:
            parts.setdefault(match[2] or "", {})[match[1]] = value
    found = []
    for name, given in parts.items():
        # "100, 100;w=60": the first is what counts now.
        most = _number(given.get("limit", "").partition(",")[0].partition(";")[0])
        window = next(
            (_number(one.get("w", "")) for one in _items(given.get("limit", "")).values() if "w" in one), None
        )
        renews = _moment(given.get("reset", ""), now)
        found += _made(name, most, _number(given.get("remaining", "")), window or _WINDOWS.get(name), renews, now)
    return found


def _made(
    name: str, most: int | None, left: int | None, window: float | None, renews: datetime | None, now: datetime
) -> list[Quota]:
    """Nothing without what is left: that is what it is for."""
    if left is None:
        return []
    return [Quota(name=name[:_LONGEST_NAME], most=most, left=left, window=window, renews_at=renews, seen_at=now)]


def _items(text: str) -> dict[str, dict[str, str]]:
    """The items of a structured list, and the parameters of each."""
    found = {}
    for name, parameters in _ITEM.findall(text[:2000]):
        pairs = (one.strip().partition("=") for one in parameters.split(";") if one.strip())
        found[name.strip('"')] = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
    return found


def _number(text: str) -> int | None:
    """A whole number of calls or seconds; fractions are cut off, below zero is nothing."""
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0, int(number)) if -_LARGEST < number < _LARGEST else None


def _moment(text: str, now: datetime) -> datetime | None:
    """When a window ends: in so many seconds, at a second or millisecond since 1970, or at a date."""
    number = _number(text)
    if number is None:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if number < _EPOCH:
        return _after(now, number)
    try:
        return datetime.fromtimestamp(number if number < _EPOCH * 1000 else number / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _after(now: datetime, seconds: float) -> datetime | None:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return None
