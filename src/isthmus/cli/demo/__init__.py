"""``isthmus demo``: a business day between a real CRM and a real ERP, from nothing, with one command."""

from isthmus.cli.demo.play import play
from isthmus.cli.demo.stage import Stage

__all__ = ["Stage", "play"]
