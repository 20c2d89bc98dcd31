"""The three-way merge of one field and of one record. Pure; SPEC.md is its twin."""

from isthmus.merge.field import ABSENT, Decision, Verdict, decide, may_set
from isthmus.merge.rules import MERGE_RULES, merge_values

__all__ = ["ABSENT", "MERGE_RULES", "Decision", "Verdict", "decide", "may_set", "merge_values"]
