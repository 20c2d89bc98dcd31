"""Which scope a token needs for each route of the API: the one place where this is said. A route that is not here
cannot be served."""

from __future__ import annotations

from isthmus.app.access import Permission

__all__ = ["OPEN", "SCOPES"]

OPEN = "open"
"""Without a token."""

SCOPES: dict[tuple[str, str], Permission | str] = {
    ("GET", "/api/v1/openapi.json"): OPEN,
    ("GET", "/api/v1/me"): Permission.SEE,
    ("POST", "/api/v1/order-simulations"): Permission.ORDER,
    ("GET", "/api/v1/order-simulations/{id:str}"): Permission.ORDER,
    ("POST", "/api/v1/orders"): Permission.ORDER,
    ("GET", "/api/v1/orders"): Permission.SEE,
    ("GET", "/api/v1/orders/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/orders/{id:str}/answer"): Permission.ORDER,
    ("GET", "/api/v1/quotes"): Permission.SEE,
    ("GET", "/api/v1/quotes/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/quote-requests"): Permission.ORDER,
    ("POST", "/api/v1/quotes"): Permission.ORDER,
    ("POST", "/api/v1/quotes/{id:str}/revise"): Permission.ORDER,
    ("POST", "/api/v1/quotes/{id:str}/send"): Permission.ORDER,
    ("POST", "/api/v1/quotes/{id:str}/accept"): Permission.ORDER,
    ("POST", "/api/v1/quotes/{id:str}/reject"): Permission.ORDER,
    ("GET", "/api/v1/material-requests"): Permission.SEE,
    ("GET", "/api/v1/material-requests/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/material-requests"): Permission.DECIDE,
    ("POST", "/api/v1/material-requests/{id:str}/correct"): Permission.DECIDE,
    ("POST", "/api/v1/material-requests/{id:str}/cancel"): Permission.DECIDE,
    ("POST", "/api/v1/material-requests/{id:str}/rest"): Permission.DECIDE,
    ("GET", "/api/v1/returns"): Permission.SEE,
    ("GET", "/api/v1/returns/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/returns"): Permission.DECIDE,
    ("POST", "/api/v1/returns/{id:str}/send"): Permission.DECIDE,
    ("POST", "/api/v1/returns/{id:str}/count"): Permission.DECIDE,
    ("POST", "/api/v1/returns/{id:str}/settle"): Permission.DECIDE,
    ("POST", "/api/v1/returns/{id:str}/again"): Permission.DECIDE,
    ("POST", "/api/v1/returns/{id:str}/cancel"): Permission.DECIDE,
    ("GET", "/api/v1/repairs"): Permission.SEE,
    ("GET", "/api/v1/repairs/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/repairs"): Permission.DECIDE,
    ("GET", "/api/v1/settlements"): Permission.SEE,
    ("GET", "/api/v1/settlements/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/settlements"): Permission.DECIDE,
    ("POST", "/api/v1/settlements/{id:str}/report"): Permission.DECIDE,
    ("POST", "/api/v1/settlements/{id:str}/withdraw"): Permission.DECIDE,
    ("POST", "/api/v1/settlements/{id:str}/again"): Permission.DECIDE,
    ("GET", "/api/v1/items"): Permission.SEE,
    ("GET", "/api/v1/items/{id:str}"): Permission.SEE,
    ("PATCH", "/api/v1/items/{id:str}"): Permission.DECIDE,
    ("GET", "/api/v1/trace"): Permission.SEE,
    ("GET", "/api/v1/explain"): Permission.SEE,
    ("GET", "/api/v1/approvals"): Permission.SEE,
    ("GET", "/api/v1/approvals/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/approvals/{id:str}/answer"): Permission.APPROVE,
    ("GET", "/api/v1/processes"): Permission.SEE,
    ("GET", "/api/v1/processes/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/processes/{id:str}/retry"): Permission.ENGINEER,
    ("POST", "/api/v1/processes/{id:str}/cancel"): Permission.ENGINEER,
    ("GET", "/api/v1/inbox"): Permission.SEE,
    ("GET", "/api/v1/inbox/{id:str}"): Permission.SEE,
    ("POST", "/api/v1/inbox/{id:str}/decision"): Permission.DECIDE,
}
