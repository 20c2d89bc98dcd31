"""The web server: puts the faces together into one application and serves it."""

from isthmus.web.server import Parts, make_app, serve
from isthmus.web.warming import warm

__all__ = ["Parts", "make_app", "serve", "warm"]
