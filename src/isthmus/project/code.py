"""Python files of a project: converters in ``code/*.py``, processes in ``processes/*.py`` (see :mod:`isthmus.process`).

A converter is a pair of functions:

    from isthmus.project.code import converter

    @converter("vat")
    def get(value):            # far value -> hub value
        return value.replace(" ", "")

    @get.inverse
    def put(value):            # hub value -> far value
        return value

Both see single values that are not null. They must be pure: the hub calls them as often as it likes. The code runs
with the rights of the hub.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from isthmus.errors import Place
from isthmus.mapping.converters import Converter, converter_names
from isthmus.process import Definition
from isthmus.project.faults import Faults
from isthmus.project.nodes import NAME, read_text

__all__ = ["Declared", "converter", "load_code", "load_processes"]

type Function = Callable[[Any], Any]


class Declared:
    """A converter being declared in ``code/*.py``; calling it calls its *get*."""

    def __init__(self, name: str, get: Function) -> None:
        self.name, self.get = name, get
        self.put: Function | None = None

    def __call__(self, value: Any) -> Any:
        return self.get(value)

    def inverse(self, put: Function) -> Function:
        """Declare the way back; use as a decorator."""
        self.put = put
        return put


def converter(name: str) -> Callable[[Function], Declared]:
    """Declare a converter by its *get*; its *put* follows with ``@<get>.inverse``."""

    def declare(get: Function) -> Declared:
        return Declared(name, get)

    return declare


def load_code(folder: Path, faults: Faults) -> Mapping[str, Converter]:
    """The converters of all ``code/*.py`` of a project, by name. What is wrong is remembered."""
    found: dict[str, Converter] = {}
    for path in sorted((folder / "code").glob("*.py")):
        file = f"code/{path.name}"
        module = _run(path, file, faults)
        declared = [value for value in vars(module).values() if isinstance(value, Declared)] if module else []
        for one in dict.fromkeys(declared):
            place = Place(file, one.get.__code__.co_firstlineno if hasattr(one.get, "__code__") else 0, 1)
            if _is_sound(one, place, found, faults) and one.put is not None:
                found[one.name] = Converter(one.get, one.put)
    return found


def load_processes(folder: Path, faults: Faults) -> Mapping[str, Definition]:
    """The processes of all ``processes/*.py`` of a project, by name. What is wrong is remembered."""
    found: dict[str, Definition] = {}
    for path in sorted((folder / "processes").glob("*.py")):
        file = f"processes/{path.name}"
        module = _run(path, file, faults)
        declared = [value for value in vars(module).values() if isinstance(value, Definition)] if module else []
        for one in dict.fromkeys(declared):
            place = Place(file, one.function.__code__.co_firstlineno if hasattr(one.function, "__code__") else 0, 1)
            if not NAME.fullmatch(str(one.name)):
                faults.add(place, f"{one.name!r} cannot be a process.", "Use a-z, 0-9 and _, starting with a letter.")
            elif found.setdefault(one.name, one) is not one:
                faults.add(place, f"There are two processes named '{one.name}'.")
    return found


def _is_sound(one: Declared, place: Place, found: Collection[str], faults: Faults) -> bool:
    if not NAME.fullmatch(str(one.name)):
        faults.add(place, f"{one.name!r} cannot be a converter.", "Use a-z, 0-9 and _, starting with a letter.")
    elif one.name in converter_names():
        faults.add(place, f"'{one.name}' is a built-in converter.", "Give yours another name.")
    elif one.name in found:
        faults.add(place, f"There are two converters named '{one.name}'.")
    elif one.put is None:
        faults.add(place, f"Converter '{one.name}' has no way back.", "Declare it with @<get>.inverse.")
    else:
        return True
    return False


def _run(path: Path, file: str, faults: Faults) -> ModuleType | None:
    text = read_text(path, file, faults)
    if text is None:
        return None
    try:
        code = compile(text, str(path), "exec")
    except SyntaxError as error:
        faults.add(Place(file, error.lineno or 0, error.offset or 0), f"Not valid Python: {error.msg}.")
        return None
    except ValueError as error:
        faults.add(Place(file), f"Not valid Python: {error}.")
        return None
    module = ModuleType(f"isthmus_project_{path.parent.name}_{path.stem}")
    module.__file__ = str(path)
    # Classes made in the file look their module up by name (dataclasses, annotations).
    sys.modules[module.__name__] = module
    try:
        exec(code, vars(module))  # noqa: S102  (running the user's own code is the purpose)
    except Exception as error:  # whatever the user's file raises belongs to the report, not to the hub
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = (frames[-1].lineno or 0) if frames else 0
        faults.add(Place(file, line, 1 if line else 0), f"The file fails: {type(error).__name__}: {error}")
        return None
    return module
