"""What the tidy tests read: the tracked files, and the tests with their markers, found without running anything."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "isthmus"
TESTS = ROOT / "tests"

type Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def relative(path: Path) -> str:
    """A path as messages show it."""
    return path.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    """A document that has to exist."""
    path = ROOT / name
    assert path.is_file(), f"{name} does not exist; it has to, see STYLE.md"
    return path.read_text(encoding="utf-8")


def modules(folder: Path = PACKAGE) -> list[Path]:
    """Every Python file below a folder."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


@cache
def parse(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def tracked_files() -> tuple[Path, ...]:
    """Files that are in the repository or would be with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions and classes with their qualified names, however deep."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            yield name, node
            yield from definitions(node.body, f"{name}.")
        else:
            for inner in ("body", "orelse", "finalbody"):
                yield from definitions(getattr(node, inner, []), prefix)
            for handler in getattr(node, "handlers", []):
                yield from definitions(handler.body, prefix)


@dataclass(frozen=True)
class Test:
    """One test function: `tests/unit/test_merge.py::TestMerge::test_echo`, and the markers that reach it."""

    __test__ = False

    node: str
    flows: frozenset[str]
    specs: frozenset[int]


def arguments_of(marks: list[ast.expr], marker: str) -> frozenset[object]:
    """The literal arguments of every `pytest.mark.<marker>(...)` in the expressions."""
    found: set[object] = set()
    for mark in marks:
        for node in ast.walk(mark):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{marker}":
                found.update(arg.value for arg in node.args if isinstance(arg, ast.Constant))
    return frozenset(found)


def module_marks(tree: ast.Module) -> list[ast.expr]:
    """What `pytestmark = ...` gives to every test of a module."""
    return [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets)
    ]


@cache
def all_tests() -> tuple[Test, ...]:
    """Every test, found by reading; parametrised ones count once."""
    found: list[Test] = []
    for path in modules(TESTS):
        tree = parse(path)
        marks: dict[str, list[ast.expr]] = {"": module_marks(tree)}
        for name, node in definitions(tree.body):
            parent = name.rpartition(".")[0]
            marks[name] = [*marks.get(parent, marks[""]), *node.decorator_list]
            if not isinstance(node, ast.ClassDef) and node.name.startswith("test"):
                flows = frozenset(str(flow) for flow in arguments_of(marks[name], "flow"))
                specs = frozenset(number for number in arguments_of(marks[name], "spec") if isinstance(number, int))
                found.append(Test(f"{relative(path)}::{name.replace('.', '::')}", flows, specs))
    return tuple(found)
