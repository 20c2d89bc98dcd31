"""Values that stand elsewhere: ``env:NAME`` and ``file:PATH``. No message ever holds such a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from isthmus.errors import Place
from isthmus.project.faults import Faults, nearest

__all__ = ["is_reference", "resolve"]

_LONGEST = 65536
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_reference(text: str) -> bool:
    """Whether a text says where a value stands instead of being it."""
    return text.startswith(("env:", "file:"))


def resolve(text: str, place: Place, folder: Path, environ: Mapping[str, str], faults: Faults) -> str | None:
    """The value a reference means; any other text means itself. Files are relative to the project ``folder``."""
    if text.startswith("env:"):
        name = text.removeprefix("env:").strip()
        if not _VARIABLE.fullmatch(name):
            # Not shown: somebody may have put the secret itself there.
            faults.add(place, "What follows 'env:' is not the name of a variable.", "Write env:NAME.")
            return None
        value = environ.get(name, "")
        if not value:
            state = "empty" if name in environ else "not set"
            close = nearest(name, [known for known in environ if known.startswith(name.split("_")[0])])
            advice = close if close.startswith("Did you mean") and name not in environ else ""
            faults.add(place, f"The environment variable {name} is {state}.", advice)
            return None
        return value
    if text.startswith("file:"):
        name = text.removeprefix("file:").strip()
        try:
            path = folder / Path(name).expanduser()
            with path.open("rb") as stream:
                value = stream.read(_LONGEST + 1).decode("utf-8").strip()
        except OSError as error:
            faults.add(place, f"The file {name} cannot be read: {error.strerror or type(error).__name__}.")
            return None
        except UnicodeDecodeError:
            faults.add(place, f"The file {name} does not hold text.")
            return None
        if not value or len(value) > _LONGEST:
            faults.add(place, f"The file {name} is {'too long for a secret' if value else 'empty'}.")
            return None
        return value
    return text
