"""Errors of the API: problem details (RFC 9457) with the stable codes of docs/errors.md and docs/api.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Response

from isthmus.errors import (
    AlreadyDecided,
    Ambiguous,
    Conflict,
    IsthmusError,
    Misconfigured,
    NeedsPerson,
    NotEntitled,
    Retryable,
    Stale,
    TooLate,
)

__all__ = ["MEDIA_TYPE", "Failed", "FieldProblem", "Problem", "answer_of", "handlers"]

MEDIA_TYPE = "application/problem+json"
ERRORS = "docs/errors.md"
OWN = "docs/api.md"
RETRY_AFTER = "5"
"""Seconds, when nothing better is known."""

STATUS: Sequence[tuple[type[IsthmusError], int]] = (
    (NotEntitled, 403),
    (AlreadyDecided, 409),
    (TooLate, 409),
    (Conflict, 409),
    (Ambiguous, 409),
    (Stale, 409),
    (NeedsPerson, 422),
    (Retryable, 503),
    (Misconfigured, 501),
)

CODES: Mapping[int, str] = {
    400: "bad-request",
    401: "no-token",
    403: "no-scope",
    404: "not-found",
    405: "no-method",
    409: "under-way",
    412: "moved-on",
    413: "too-large",
    415: "media-type",
    422: "refused",
    428: "no-version",
    429: "too-many",
    500: "internal",
}
"""Codes of what is wrong with a request itself."""


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one part of the request."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was not carried out. ``code`` is stable, ``detail`` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    advice: str = ""
    fields: Sequence[FieldProblem] = ()
    order: dict[str, Any] | None = None
    """For an order that was not placed: what has moved, and the simulation that can be placed instead."""


class Failed(HTTPException):
    """A problem with a code of its own."""

    def __init__(self, status: int, code: str, detail: str, *, advice: str = "", order: Any = None) -> None:
        super().__init__(detail, status_code=status)
        self.code, self.advice, self.order = code, advice, order


def answer_of(problem: Problem) -> Response[Problem]:
    """The problem as an answer."""
    headers = {"cache-control": "no-store"}
    if problem.status in (429, 503):
        headers["retry-after"] = RETRY_AFTER
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="isthmus"'
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


def _of_ours(request: Request[Any, Any, Any], error: IsthmusError) -> Response[Problem]:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    field = getattr(error, "field", None)
    return answer_of(
        Problem(
            type=f"{ERRORS}#{error.code}",
            title=_title(status),
            status=status,
            code=error.code,
            detail=error.message,
            advice=error.advice,
            fields=[FieldProblem(field=str(field), message=error.message)] if field else [],
        )
    )


def _of_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    status = error.status_code
    code = error.code if isinstance(error, Failed) else CODES.get(status, "bad-request")
    fields = []
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        fields = [
            FieldProblem(field=str(one.get("key", "")), message=str(one.get("message", "")))
            for one in error.extra
            if isinstance(one, dict)
        ]
    answer = answer_of(
        Problem(
            type=f"{OWN}#{code}",
            title=_title(status),
            status=status,
            code=code,
            detail=str(error.detail)[:500] if fields == [] else "The request does not fit; see fields.",
            advice=error.advice if isinstance(error, Failed) else "",
            fields=fields,
            order=error.order if isinstance(error, Failed) else None,
        )
    )
    for name, value in (error.headers or {}).items():
        answer.headers[name.lower()] = value
    return answer


def _fault(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    return answer_of(
        Problem(
            type=f"{OWN}#internal",
            title=_title(500),
            status=500,
            code="internal",
            detail="A fault of the hub. Nothing of it is told here; its log has it.",
        )
    )


def handlers() -> dict[Any, Any]:
    """For the API's router."""
    return {IsthmusError: _of_ours, HTTPException: _of_http, 500: _fault}
