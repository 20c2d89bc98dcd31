"""Who may use each route of the shop: the one place where this is said. A route that is not here cannot be served."""

from __future__ import annotations

__all__ = ["BUYER", "FEATURES", "OPEN", "ROUTES", "STAFF", "STATION", "VISITOR"]

OPEN = "open"
"""Anybody."""
BUYER = "buyer"
"""A person of a customer, for that customer only; or staff who may order, for the customer they name."""
VISITOR = "visitor"
"""As BUYER; and anybody who is not signed in, where the project lets visitors in."""
STATION = "station"
"""As BUYER, for a customer that has a service station."""
STAFF = "staff"
"""Staff who may order for customers."""

ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/shop/static/{name:str}"): OPEN,
    ("GET", "/shop/sign-in"): OPEN,
    ("POST", "/shop/sign-in"): OPEN,
    ("POST", "/shop/sign-out"): OPEN,
    ("POST", "/shop/language"): OPEN,
    ("GET", "/shop"): VISITOR,
    ("GET", "/shop/enquiry"): VISITOR,
    ("POST", "/shop/enquiry"): VISITOR,
    ("GET", "/shop/quick"): BUYER,
    ("POST", "/shop/quick"): BUYER,
    ("GET", "/shop/cart/{id:str}"): BUYER,
    ("POST", "/shop/cart/{id:str}"): BUYER,
    ("GET", "/shop/orders"): BUYER,
    ("GET", "/shop/orders/{id:str}"): BUYER,
    ("POST", "/shop/orders/{id:str}/answer"): BUYER,
    ("GET", "/shop/orders/{id:str}/return"): BUYER,
    ("POST", "/shop/orders/{id:str}/return"): BUYER,
    ("GET", "/shop/invoices"): BUYER,
    ("GET", "/shop/invoices/{id:str}"): BUYER,
    ("GET", "/shop/quotes"): BUYER,
    ("POST", "/shop/quotes"): BUYER,
    ("GET", "/shop/quotes/new"): BUYER,
    ("GET", "/shop/quotes/{id:str}"): BUYER,
    ("GET", "/shop/quotes/{id:str}/offer"): STAFF,
    ("POST", "/shop/quotes/{id:str}/offer"): STAFF,
    ("POST", "/shop/quotes/{id:str}/send"): STAFF,
    ("GET", "/shop/desk/quotes"): STAFF,
    ("POST", "/shop/quotes/{id:str}/accept"): BUYER,
    ("POST", "/shop/quotes/{id:str}/reject"): BUYER,
    ("GET", "/shop/returns"): BUYER,
    ("GET", "/shop/returns/{id:str}"): BUYER,
    ("POST", "/shop/returns/{id:str}/sent"): BUYER,
    ("POST", "/shop/returns/{id:str}/cancel"): BUYER,
    ("GET", "/shop/questions"): BUYER,
    ("POST", "/shop/questions"): BUYER,
    ("GET", "/shop/questions/new"): BUYER,
    ("GET", "/shop/questions/{id:str}"): BUYER,
    ("GET", "/shop/station"): STATION,
    ("GET", "/shop/station/{id:str}/request"): STATION,
    ("POST", "/shop/station/{id:str}/request"): STATION,
    ("GET", "/shop/station/{id:str}/return"): STATION,
    ("POST", "/shop/station/{id:str}/return"): STATION,
    ("GET", "/shop/station/{id:str}/repair"): STATION,
    ("POST", "/shop/station/{id:str}/repair"): STATION,
    ("GET", "/shop/requests/{id:str}"): STATION,
    ("POST", "/shop/requests/{id:str}/correct"): STATION,
    ("POST", "/shop/requests/{id:str}/cancel"): STATION,
    ("GET", "/shop/desk"): STAFF,
}

FEATURES: dict[str, str] = {
    "quotes": "quotes",
    "returns": "returns",
    "return": "returns",
    "questions": "questions",
    "enquiry": "questions",
    "station": "stations",
    "requests": "stations",
    "repair": "repairs",
}
"""Part of an address -> what the shop must have; without it there is no such page."""
