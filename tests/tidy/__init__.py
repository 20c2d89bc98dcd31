"""The rules of STYLE.md that a machine can check."""
