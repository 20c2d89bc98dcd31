"""Shape of the code: layers, sizes, names, blind excepts."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.tree import PACKAGE, ROOT, definitions, modules, parse, relative

MODULE_LINES = 400
FUNCTION_LINES = 60

# Ratchets: what is longer than the limit, how long it may be, and why. They may shrink, never grow.
LONG_MODULES: dict[str, tuple[int, str]] = {}
LONG_FUNCTIONS: dict[str, tuple[int, str]] = {}

# Places that may catch everything, and why: "src/isthmus/<file>::<function>".
BLIND_EXCEPTS: dict[str, str] = {
    "src/isthmus/testing/failing.py::failure": "whatever a driver lets through that is not ours fails its contract",
    "src/isthmus/app/job_work.py::_note": "a fault in a job that a page asked for stops that job, not the worker",
    "src/isthmus/app/inbox_work.py::_decided": "a fault over one of many questions must not keep the others waiting",
    "src/isthmus/process/turn.py::_played": "a fault in one process's function stops that process, not the worker",
    "src/isthmus/project/code.py::_run": "what the user's file raises is a fault of the project, told with its line",
}

VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc", "manager", "shared"}

# In two-way code the sides are base, hub and far; these words hide which is meant.
BANNED_WORDS = {
    "source": "hub or far",
    "target": "hub or far",
    "src": "hub or far",
    "dst": "hub or far",
    "dest": "hub or far",
    "remote": "far",
    "slave": "far",
    "master": "owner",
    "binding": "link",
    "xref": "link",
}
TWO_WAY = ("merge", "mapping", "sync", "reconcile")

PURE = ("model", "merge", "mapping")
CLOCKS = {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7", "monotonic", "perf_counter"}


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods of a file with their qualified names."""
    for name, node in definitions(parse(path).body):
        if not isinstance(node, ast.ClassDef):
            yield name, node


def length_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function; explaining it well costs nothing."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        length -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return length


def check_ratchet(found: dict[str, int], limit: int, ratchet: dict[str, tuple[int, str]]) -> None:
    """Nothing above the limit but what the ratchet allows, and no allowance that is not needed any more."""
    too_long = [
        f"{name}: {length} lines, allowed {ratchet.get(name, (limit, ''))[0]}"
        for name, length in found.items()
        if length > ratchet.get(name, (limit, ""))[0]
    ]
    assert not too_long, "split these by what they do:\n  " + "\n  ".join(too_long)
    slack = [name for name, (allowed, _) in ratchet.items() if found.get(name, 0) < allowed]
    assert not slack, f"these shrank; lower or remove their allowance: {slack}"


def test_imports_follow_the_layers() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("contract", "allowed"),
    [
        ("The lab stands alone: it can be used without the hub", {"lab"}),
        (
            "Connectors know the driver API and nothing of the engine",
            {"connectors", "connector", "model", "cli", "web", "api", "console", "portal", "testing"},
        ),
    ],
)
def test_a_list_of_forbidden_packages_is_whole(contract: str, allowed: set[str]) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [found] = [c for c in config["tool"]["importlinter"]["contracts"] if c["name"] == contract]
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    missing = packages - allowed - {name.removeprefix("isthmus.") for name in found["forbidden_modules"]}
    assert not missing, f"add to forbidden_modules of {contract!r} in pyproject.toml: {sorted(missing)}"


def test_modules_are_short() -> None:
    found = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    check_ratchet(found, MODULE_LINES, LONG_MODULES)


def test_functions_are_short() -> None:
    found = {
        f"{relative(path)}::{name}": length_without_docstring(node)
        for path in modules()
        for name, node in functions(path)
    }
    check_ratchet(found, FUNCTION_LINES, LONG_FUNCTIONS)


def test_no_module_has_a_vague_name() -> None:
    vague = [
        relative(path)
        for path in modules()
        if {part.removesuffix(".py").strip("_") for part in path.relative_to(PACKAGE).parts} & VAGUE_NAMES
    ]
    assert not vague, f"name these after what they hold: {vague}"


def blind_excepts(path: Path) -> Iterator[tuple[str, int]]:
    """Handlers of everything that do not raise it again, with the function they are in."""
    owners = sorted(functions(path), key=lambda pair: pair[1].lineno)
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {ast.unparse(name) for name in getattr(node.type, "elts", [node.type]) if name is not None}
        if caught and not caught & {"Exception", "BaseException"}:
            continue
        last = node.body[-1]
        if isinstance(last, ast.Raise) and last.exc is None:
            continue
        around = [name for name, owner in owners if owner.lineno <= node.lineno <= (owner.end_lineno or 0)]
        yield f"{relative(path)}::{around[-1] if around else '<module>'}", node.lineno


def test_nothing_catches_everything() -> None:
    found = {place: line for path in modules() for place, line in blind_excepts(path)}
    unnamed = [f"{place} (line {line})" for place, line in found.items() if place not in BLIND_EXCEPTS]
    assert not unnamed, (
        "name the exceptions that can come; where everything must be survived, say why in BLIND_EXCEPTS:\n"
        + "\n".join(unnamed)
    )
    assert set(BLIND_EXCEPTS) <= set(found), f"not needed any more: {set(BLIND_EXCEPTS) - set(found)}"


def names_in(node: ast.AST) -> Iterator[str]:
    """The names a piece of code gives to things of its own."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def test_two_way_code_says_hub_and_far() -> None:
    found = [
        f"{relative(path)}:{getattr(node, 'lineno', 0)}: {name}: say {BANNED_WORDS[word]} instead of {word}"
        for package in TWO_WAY
        for path in modules(PACKAGE / package)
        for node in ast.walk(parse(path))
        for name in names_in(node)
        for word in name.lower().split("_")
        if word in BANNED_WORDS
    ]
    assert not found, "glossary.md has the words:\n  " + "\n  ".join(found)


def test_pure_code_asks_no_clock() -> None:
    found = [
        f"{relative(path)}:{node.lineno}: {ast.unparse(node.func)}()"
        for package in PURE
        for path in modules(PACKAGE / package)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert not found, "time and ids come in as arguments, so that the simulator owns them:\n  " + "\n  ".join(found)
