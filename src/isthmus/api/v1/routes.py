"""All routes of the API behind one door, and their OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, Router, get
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.response import Response

from isthmus.api.v1 import document_views, items, orders, quotes, stations, views, work
from isthmus.api.v1.door import LARGEST_BODY, Door, guard
from isthmus.api.v1.problems import MEDIA_TYPE, Problem, handlers
from isthmus.api.v1.scopes import SCOPES
from isthmus.api.v1.site import Call

__all__ = ["CALLS_PER_MINUTE", "api_router", "openapi_document"]

CALLS_PER_MINUTE = 1200
"""Of one token, or of one address that shows none."""


@get("/openapi.json", include_in_schema=False)
async def document() -> Response[bytes]:
    """The OpenAPI document."""
    return Response(openapi_document(), media_type="application/json")


def _who(request: Call) -> str:
    """A token counts for itself, wherever it is used from."""
    given = request.headers.get("authorization", "")
    return str(hash(given)) if given else (request.client.host if request.client else "")


def api_router(limit: int = CALLS_PER_MINUTE) -> Router:
    """The routes; each has its line in ``scopes``. ``limit``: calls per minute."""
    rate = RateLimitConfig(rate_limit=("minute", limit), identifier_for_request=_who, store="api_rate_limit")
    return Router(
        "/api/v1",
        route_handlers=[document, *items.ROUTES, *orders.ROUTES, *quotes.ROUTES, *stations.ROUTES, *work.ROUTES],
        guards=[guard],
        middleware=[rate.middleware, Door()],
        exception_handlers=handlers(),
        request_max_body_size=LARGEST_BODY,
        security=[{"bearer": []}],
    )


PROBLEMS = {
    400: "The request cannot be read.",
    401: "No valid token.",
    403: "The token's scopes, or its person's rights, are not enough.",
    404: "There is no such thing.",
    409: "It is not as the caller thinks, or the same call is under way.",
    412: "It has changed since it was seen.",
    413: "Too large.",
    415: "Not JSON.",
    422: "It cannot be done so.",
    428: "If-Match is missing.",
    429: "Too many calls.",
    500: "A fault of the hub.",
    501: "No system of this project can do it.",
    503: "A system, or the hub's database, cannot be reached now.",
}


@cache
def openapi_document() -> bytes:
    """The OpenAPI 3.1 document, the same bytes every time."""
    app = Litestar(
        [api_router()],
        openapi_config=OpenAPIConfig(
            title="Isthmus",
            version="1",
            summary="A company's orders, records and approvals across CRM and ERP.",
            use_handler_docstrings=True,
            components=Components(security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}),
        ),
        logging_config=None,
    )
    found = app.openapi_schema.to_schema()
    # Litestar's schemas leave out limits and whether more may be in an object.
    kinds = [
        getattr(views, name, None) or getattr(document_views, name, None) for name in found["components"]["schemas"]
    ]
    structs = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    _, schemas = msgspec.json.schema_components([Problem, *structs], ref_template="#/components/schemas/{name}")
    found["components"]["schemas"] |= schemas
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            scope = SCOPES[method.upper(), path.replace("}", ":str}")]
            operation["description"] = f"{operation.get('description', '')} Scope: `{scope}`.".strip()
            operation["responses"] |= {str(status): _problem(text) for status, text in PROBLEMS.items()}
    for path in ("/api/v1/orders", "/api/v1/quotes/{id}/accept"):
        placed = found["paths"][path]["post"]["responses"]
        for status, text in (("200", "Ordered, and cancelled since."), ("202", "Kept; it will be confirmed.")):
            placed[status] = {**placed["201"], "description": text}
    return msgspec.json.format(msgspec.json.encode(found, order="deterministic"), indent=1) + b"\n"


def _problem(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
