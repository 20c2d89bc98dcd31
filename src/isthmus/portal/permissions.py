"""Who may use each route of the shop: the one place where this is said. A route that is not here cannot be served."""

from __future__ import annotations

__all__ = ["BUYER", "OPEN", "ROUTES", "STAFF"]

OPEN = "open"
"""Anybody."""
BUYER = "buyer"
"""A person of a customer, for that customer only; or staff who may order, for the customer they name."""
STAFF = "staff"
"""Staff who may order for customers."""

ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/shop/static/{name:str}"): OPEN,
    ("GET", "/shop/sign-in"): OPEN,
    ("POST", "/shop/sign-in"): OPEN,
    ("POST", "/shop/sign-out"): OPEN,
    ("POST", "/shop/language"): OPEN,
    ("GET", "/shop"): BUYER,
    ("GET", "/shop/quick"): BUYER,
    ("POST", "/shop/quick"): BUYER,
    ("GET", "/shop/cart/{id:str}"): BUYER,
    ("POST", "/shop/cart/{id:str}"): BUYER,
    ("GET", "/shop/orders"): BUYER,
    ("GET", "/shop/orders/{id:str}"): BUYER,
    ("POST", "/shop/orders/{id:str}/answer"): BUYER,
    ("GET", "/shop/invoices"): BUYER,
    ("GET", "/shop/desk"): STAFF,
}
