"""``isthmus new connector NAME``: a plug-in package that keeps the contract from its first minute."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

from isthmus.connectors import kinds
from isthmus.errors import Misconfigured

__all__ = ["new_connector"]

_PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "__init__.py": "src/isthmus_{{kind}}/__init__.py",
    "connector.py": "src/isthmus_{{kind}}/connector.py",
    "resources.py": "src/isthmus_{{kind}}/resources.py",
    "twin.py": "src/isthmus_{{kind}}/twin.py",
    "mapping.yaml": "src/isthmus_{{kind}}/mapping.yaml",
    "test_contract.py": "tests/test_contract.py",
}
"""Template -> place in the new folder."""


def new_connector(name: str, folder: Path) -> list[Path]:
    """Write the package for a new connector kind into ``folder`` (made if needed); the files written, sorted.

    Raises ``Misconfigured`` for a name that cannot be a kind or is taken, and when a file would be overwritten; then
    nothing is written.
    """
    kind = _checked(name)
    words = {
        "kind": kind,
        "KIND": kind.upper(),
        "Kind": "".join(part.capitalize() for part in kind.split("_")),
        "dashed": kind.replace("_", "-"),
    }
    templates = files(__package__) / "scaffold_templates"
    wanted = {
        folder / _filled(place, words): _filled((templates / f"{template}.txt").read_text(encoding="utf-8"), words)
        for template, place in _PLACES.items()
    }
    wanted[folder / "src" / f"isthmus_{kind}" / "py.typed"] = ""
    taken = sorted(path for path in wanted if path.exists())
    if taken:
        raise Misconfigured(f"{taken[0]} exists already.", advice="Choose another folder, or remove what is there.")
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(wanted)


def _checked(name: str) -> str:
    kind = name.strip().lower().replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", kind) or keyword.iskeyword(kind) or kind.endswith("_"):
        raise Misconfigured(
            f"'{name}' cannot be the kind of a connector.",
            advice="Use 2 to 40 lower-case letters, digits and underscores, beginning with a letter.",
        )
    if kind == "memory" or kind in kinds():  # memory: the system of the engine's own tests
        raise Misconfigured(f"There is a connector of kind '{kind}' already.")
    return kind


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace("{{" + word + "}}", value)
    return text
