"""The lab: real open-source systems (Tryton, BottleCRM) installed, seeded, started and stopped on this machine."""

from .lab import SYSTEMS, Lab
from .system import LabSystem, SystemStatus

__all__ = ["SYSTEMS", "Lab", "LabSystem", "SystemStatus"]
