"""Calls to BottleCRM's REST API, with its ways of saying no mapped to our errors.

BottleCRM says no in four shapes: ``{"error": true, "errors": {field: [text]}}``, ``{"error": true, "errors": text}``,
``{"error": true, "message": text}`` and Django REST framework's own ``{"detail": text}`` or ``{field: [text]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.connector import HttpClient, Response
from isthmus.errors import IsthmusError, Rejected, Unavailable, UnknownOutcome

__all__ = ["Client", "reason"]

_NO_FIELD = frozenset({"non_field_errors", "detail", "error", "errors", "message", "code"})


class Client:
    """The API of one organisation in BottleCRM, as the owner of a personal access token."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The JSON object at ``path``, or None when BottleCRM itself says that it is not there.

        Raises ``Rejected`` on a bad query, ``Unavailable`` on an answer that is not BottleCRM's.
        """
        answer = await self._http.request("GET", path, params=params)
        data = _object(answer)
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise Rejected(f"BottleCRM refuses to read {path}: {reason(data)[1]}.")
        return data

    async def read_list(self, path: str) -> list[Any] | None:
        """The JSON array at ``path``, or None when BottleCRM itself says that its parent is not there."""
        answer = await self._http.request("GET", path)
        data = answer.json()
        if answer.status == 404 and isinstance(data, dict):
            return None
        if answer.status >= 400 or not isinstance(data, list):
            raise Unavailable(f"The answer to {path} is not a list of BottleCRM (status {answer.status}).")
        return data

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Write. Answers the JSON object that BottleCRM answers ({} for none), None for *not there*.

        Raises ``Rejected`` with the field and BottleCRM's reason, ``UnknownOutcome`` when the answer does not tell
        whether the write happened.
        """
        answer = await self._http.request(method, path, json_body=body)
        if answer.status == 204:
            return {}
        try:
            data = _object(answer)
        except IsthmusError as error:
            if answer.status == 404:
                raise Unavailable("Not BottleCRM but something before it answers 'not found'.") from error
            if answer.status >= 400:
                raise Rejected(f"The write was refused on its way to BottleCRM (status {answer.status}).") from error
            raise UnknownOutcome(
                f"BottleCRM's answer to a write cannot be read ({error.message}), so the write may have happened."
            ) from error
        if answer.status == 404:
            return None
        if answer.status >= 400:
            field, text = reason(data)
            raise Rejected(f"BottleCRM refuses: {text}", field=field)
        return data


def reason(data: Mapping[str, Any]) -> tuple[str | None, str]:
    """The field at fault (None: no single one) and the reason, out of any of BottleCRM's shapes.

    >>> reason({"error": True, "errors": {"name": ["Account already exists with this name"]}})
    ('name', 'name: Account already exists with this name')
    """
    for holder in ("errors", "message", "detail"):
        told = data.get(holder)
        if isinstance(told, str) and told:
            return None, told
        if isinstance(told, Mapping | list) and told:
            return _fields(told)
    return _fields(data)


def _fields(told: Mapping[str, Any] | list[Any]) -> tuple[str | None, str]:
    parts = list(_flatten(told, ""))
    named = [path for path, _ in parts if path and path.split(".")[0] not in _NO_FIELD]
    text = "; ".join(f"{path}: {message}" if path in named else message for path, message in parts)
    return (named[0] if named else None), text or "no reason given"


def _flatten(told: Any, path: str) -> list[tuple[str, str]]:
    match told:
        case Mapping():
            return [each for name, inner in told.items() for each in _flatten(inner, f"{path}.{name}".lstrip("."))]
        case list():
            return [each for inner in told for each in _flatten(inner, path)]
        case bool() | None:
            return []
    return [(path, str(told))]


def _object(answer: Response) -> dict[str, Any]:
    data = answer.json()
    if not isinstance(data, dict):
        raise Unavailable(f"The answer (status {answer.status}) is not one of BottleCRM's.")
    return data
