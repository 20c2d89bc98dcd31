"""Signing in by the OpenID provider: there, and back."""

from __future__ import annotations

import logging
from typing import Any

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.response import Redirect, Response

from isthmus import events
from isthmus.app.throttle import Throttle
from isthmus.console.front import back
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import IsthmusError, Misconfigured, SignInRefused
from isthmus.pages import BACK, BEGIN, ProviderDoor, begin_session

__all__ = ["ROUTES"]


def _door(request: Call) -> ProviderDoor:
    door = site_of(request).door
    if door is None:
        raise NotFoundException
    return door


def _names(request: Call) -> str:
    return f"provider {request.client.host if request.client is not None else ''}"


def _told(request: Call, error: IsthmusError, place: str) -> Response[Any]:
    """The sign-in page again, with what is wrong; details are for administrators."""
    if isinstance(error, SignInRefused):
        return render(request, "sign_in.html", status=403, place=place, failed=error.reason)
    wrong = isinstance(error, Misconfigured)
    events.emit(
        events.PROVIDER_FAILED, logging.ERROR if wrong else logging.WARNING, code=error.code, message=str(error)
    )
    return render(request, "sign_in.html", status=503, place=place, failed="misset" if wrong else "down")


@get(BEGIN)
async def to_provider(request: Call) -> Response[Any]:
    """Off to the provider, which leads back."""
    door, place = _door(request), back(request, dict(request.query_params))
    if Throttle.of(request.app.state).closed(_names(request)):
        return render(request, "sign_in.html", status=429, place=place, failed="often")
    try:
        return await door.send(place)
    except IsthmusError as error:
        return _told(request, error, place)


@get(BACK)
async def from_provider(request: Call) -> Response[Any]:
    """Begin a session for whoever the provider vouches for."""
    door, throttle, name = _door(request), Throttle.of(request.app.state), _names(request)
    if throttle.closed(name):
        return render(request, "sign_in.html", status=429, place="/", failed="often")
    answer: Response[Any]
    try:
        secret, place = await door.let_in(request)
    except IsthmusError as error:
        throttle.failed(name)
        answer = _told(request, error, "/")
    else:
        answer = Redirect(back(request, {"place": place}))
        begin_session(answer, secret, secure=site_of(request).secure)
    door.close(answer)
    return answer


ROUTES = [to_provider, from_provider]
