"""Use cases: the only thing the faces call. ``bootstrap`` is the one place where objects are wired."""
