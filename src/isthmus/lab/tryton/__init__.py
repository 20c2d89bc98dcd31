"""Tryton (GPL-3.0-or-later, reached over HTTP only), the lab's ERP."""

from .system import Tryton

__all__ = ["Tryton"]
