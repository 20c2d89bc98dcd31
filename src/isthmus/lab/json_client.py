"""One small JSON-over-HTTP client for the people of the lab; nothing the hub's connectors use."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from isthmus.errors import LabError

__all__ = ["send"]


def send(
    method: str,
    url: str,
    body: Any = None,
    *,
    headers: dict[str, str],
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[dict[str, Any]], Any] | None = None,
    seconds: float = 60.0,
) -> Any:
    """Send ``body`` as JSON and return the JSON that comes back; None for an empty answer.

    ``encode`` and ``decode`` are json's ``default`` and ``object_hook``. Raises LabError with the status and the start
    of the answer when the status is not a good one, and when there is no answer.
    """
    data = None if body is None else json.dumps(body, default=encode).encode()
    headers = {"Accept-Encoding": "gzip", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - the lab's own servers
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as answer:
            content, status = _read(answer), answer.status
    except urllib.error.HTTPError as error:
        with error:
            content, status = _read(error), error.code
    except (OSError, HTTPException) as error:
        raise LabError(f"{method} {url}: no answer ({error}).") from error
    if status >= 400:
        raise LabError(f"{method} {url}: {status} {content[:600].decode('utf-8', 'replace')}")
    return json.loads(content, object_hook=decode) if content else None


def _read(answer: Any) -> bytes:
    content: bytes = answer.read()
    return gzip.decompress(content) if answer.headers.get("Content-Encoding") == "gzip" else content
