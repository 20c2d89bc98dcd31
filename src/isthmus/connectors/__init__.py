"""Drivers for far systems, one folder per kind."""
