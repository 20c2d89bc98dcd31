"""BottleCRM (PyPI: django-crm, MIT), the lab's CRM."""

from .system import BottleCrm

__all__ = ["BottleCrm"]
