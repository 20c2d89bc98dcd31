"""HTTP: webhooks of far systems in, health and status out; answers to approval requests by links in mails."""

from isthmus.api.approving import approval_routes
from isthmus.api.server import make_app, serve

__all__ = ["approval_routes", "make_app", "serve"]
