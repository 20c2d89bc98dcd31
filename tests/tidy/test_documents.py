"""Documents that name code, and code that documents must name."""

import enum
import importlib
import inspect
import re
from types import ModuleType

from tests.tidy.tree import PACKAGE, all_tests, text_of

FLOW_ID = re.compile(r"^[A-Z]{2,}-\d+[a-z]?$")
TEST_NODE = re.compile(r"`(tests/[^`]+\.py::[^`]+)`")

GLOSSARY = """
    system connector resource record entity item link base journal plan step conflict inbox flow process drift
    survivorship lab twin hub far
"""


def flow_rows() -> dict[str, list[str]]:
    """Rows of the table in docs/flows.md: flow id → the tests its last column names."""
    rows: dict[str, list[str]] = {}
    for line in text_of("docs/flows.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.lstrip().startswith("|") and FLOW_ID.match(cells[0]):
            assert cells[0] not in rows, f"docs/flows.md has {cells[0]} twice"
            rows[cells[0]] = TEST_NODE.findall(cells[-1])
    return rows


def test_every_flow_names_tests_that_carry_it() -> None:
    known = {test.node: test for test in all_tests()}
    rows = flow_rows()
    wrong: list[str] = [] if rows else ["docs/flows.md has no row yet"]
    for flow, nodes in rows.items():
        if not nodes:
            wrong.append(f"{flow}: the last column names no test, as `tests/<file>.py::<test>`")
        for node in nodes:
            if node not in known:
                wrong.append(f"{flow}: there is no test {node}")
            elif flow not in known[node].flows:
                wrong.append(f'{flow}: {node} does not carry @pytest.mark.flow("{flow}")')
    assert not wrong, "docs/flows.md:\n  " + "\n  ".join(wrong)


def test_every_marked_flow_is_documented() -> None:
    documented = set(flow_rows())
    unknown = {flow: test.node for test in all_tests() for flow in test.flows if flow not in documented}
    assert not unknown, f"flows that tests carry but docs/flows.md has no row for: {unknown}"


def invariants() -> set[int]:
    """Numbers of the headings `### I7. …` (or `### I7 …`) of SPEC.md."""
    return {int(number) for number in re.findall(r"^#{2,4} I(\d+)\b", text_of("SPEC.md"), re.MULTILINE)}


def test_every_invariant_has_a_test_of_its_number() -> None:
    stated = invariants()
    assert stated, "SPEC.md states no invariant; each is a heading such as `### I7. A delete is an event`"
    assert stated == set(range(1, max(stated) + 1)), f"SPEC.md misses numbers: {sorted(stated)}"
    tested = {number for test in all_tests() for number in test.specs}
    missing = sorted(stated - tested)
    assert not missing, f"no test carries @pytest.mark.spec(N) for N in {missing}"
    assert tested <= stated, f"tests carry numbers that SPEC.md does not state: {sorted(tested - stated)}"


def load(name: str) -> ModuleType:
    """A module of the package that has to exist."""
    assert (PACKAGE / f"{name}.py").is_file(), f"src/isthmus/{name}.py does not exist yet"
    return importlib.import_module(f"isthmus.{name}")


def test_every_error_is_explained() -> None:
    errors = load("errors")
    codes: dict[str, str] = {}
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if not issubclass(kind, Exception) or kind.__module__ != errors.__name__ or name.startswith("_"):
            continue
        assert "code" in vars(kind), f"{name} has no stable code of its own"
        code = str(vars(kind)["code"])
        assert code not in codes, f"{name} and {codes[code]} have the same code {code}"
        codes[code] = name
    explained = set(re.findall(r"^## (\S+)$", text_of("docs/errors.md"), re.MULTILINE))
    missing = {code: name for code, name in codes.items() if code not in explained}
    assert not missing, f"docs/errors.md needs an entry `## <code>` for: {missing}"
    assert explained <= set(codes), f"docs/errors.md explains what does not exist: {sorted(explained - set(codes))}"


def event_names(module: ModuleType) -> set[str]:
    """Events are upper-case constants or members of enumerations whose value is a dotted name."""
    values: list[object] = [value for name, value in vars(module).items() if name.isupper()]
    for kind in vars(module).values():
        if inspect.isclass(kind) and issubclass(kind, enum.Enum) and kind.__module__ == module.__name__:
            values.extend(member.value for member in kind)
    names = (value if isinstance(value, str) else getattr(value, "name", None) for value in values)
    return {name for name in names if isinstance(name, str) and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name)}


def test_every_event_is_explained() -> None:
    events = event_names(load("events"))
    assert events, "src/isthmus/events.py names no event such as `plan.made`"
    explained = set(re.findall(r"^(?:#+ |\| *)`([a-z_]+(?:\.[a-z_]+)+)`", text_of("docs/events.md"), re.MULTILINE))
    missing = sorted(events - explained)
    assert not missing, f"docs/events.md needs a heading or a table row starting with: {missing}"
    assert explained <= events, f"docs/events.md explains what does not exist: {sorted(explained - events)}"


def test_the_glossary_has_every_word() -> None:
    entries = set(re.findall(r"^(?:\| *|[-*] +|#+ +)?[*`_]*(\w+)", text_of("glossary.md").lower(), re.MULTILINE))
    missing = [word for word in GLOSSARY.split() if word not in entries]
    assert not missing, f"glossary.md has no entry (table row, list item or heading) that starts with: {missing}"
