"""The hub between the real systems, seen from outside: flows, bad days, every command."""
