"""HTTP: webhooks of far systems in, health and status out."""

from isthmus.api.server import make_app, serve

__all__ = ["make_app", "serve"]
