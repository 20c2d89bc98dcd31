"""The shop: customers see products at their own terms, order, and follow what they ordered; staff do so for them."""

from isthmus.portal.routes import portal_router
from isthmus.portal.showing import load_pages
from isthmus.portal.site import Shop

__all__ = ["Shop", "load_pages", "portal_router"]
