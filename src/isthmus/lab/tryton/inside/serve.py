# mypy: disable-error-code="import-not-found, import-untyped"
"""Runs in Tryton's own environment: its web application, with the models of the lab's database loaded.

``trytond.application`` would load them itself, but gives up when the connections it made for that have not all ended
by then, which happens on a busy machine. It says so to servers that fork afterwards; this one does not.
"""

import os

from trytond.application import app
from trytond.pool import Pool

__all__ = ["app"]

Pool(os.environ["LAB_DATABASE"]).init()
