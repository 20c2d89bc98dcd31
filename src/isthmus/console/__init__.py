"""The console: everything people see and do in a browser. Pages are made here, on the server; nothing is fetched from
elsewhere, and the use cases of ``app`` do the work."""

from isthmus.console.pages import address_of
from isthmus.console.routes import console_router, unknown_page
from isthmus.console.site import Site
from isthmus.console.warming import make_ready

__all__ = ["Site", "address_of", "console_router", "make_ready", "unknown_page"]
