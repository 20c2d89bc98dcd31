"""Isthmus keeps a CRM and an ERP in step: observe both, merge what changed, plan, apply, remember."""

__version__ = "0.1.0"

__all__ = ["__version__"]
