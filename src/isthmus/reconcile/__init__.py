"""Full comparison: both sides read whole, every difference named with its cause, and repaired by rule or choice."""

from isthmus.reconcile.compare import Report, compare_flow
from isthmus.reconcile.drift import Drift, DriftKind
from isthmus.reconcile.ports import CompareStore
from isthmus.reconcile.repair import Choice, Repairer

__all__ = ["Choice", "CompareStore", "Drift", "DriftKind", "Repairer", "Report", "compare_flow"]
