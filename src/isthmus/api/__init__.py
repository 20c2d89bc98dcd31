"""HTTP for systems: webhooks in, health out; answers to approval requests by links in mails."""

from isthmus.api.approving import approval_routes
from isthmus.api.hooks import hook_routes

__all__ = ["approval_routes", "hook_routes"]
