"""HTTP for systems: webhooks in, health out."""

from isthmus.api.hooks import hook_routes

__all__ = ["hook_routes"]
