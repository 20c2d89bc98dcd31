"""Full comparison: both sides read completely, every difference named with its cause."""

from isthmus.reconcile.compare import Drift, DriftKind, compare_flow

__all__ = ["Drift", "DriftKind", "compare_flow"]
