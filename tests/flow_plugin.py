"""`pytest --flow ERP-3` runs just the tests that carry `@pytest.mark.flow("ERP-3")`."""

import difflib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option; it may be given several times."""
    parser.addoption(
        "--flow",
        action="append",
        default=[],
        metavar="ID",
        help="run only the tests of this flow, as named in docs/flows.md (may be given several times)",
    )


def flows_of(item: pytest.Item) -> set[str]:
    """The flows a test carries, by markers of its own, its class and its module."""
    return {str(flow) for marker in item.iter_markers("flow") for flow in marker.args}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what was not asked for; a flow that no test carries is a wrong command, not an empty success."""
    wanted: set[str] = set(config.getoption("--flow"))
    if not wanted:
        return
    known = {flow for item in items for flow in flows_of(item)}
    for flow in sorted(wanted - known):
        near = difflib.get_close_matches(flow, known, n=1, cutoff=0.5)
        hint = (
            f"; did you mean {near[0]}?" if near else f"; flows with tests here: {', '.join(sorted(known)) or 'none'}"
        )
        raise pytest.UsageError(f"no collected test carries flow {flow}{hint}")
    kept = [item for item in items if flows_of(item) & wanted]
    config.hook.pytest_deselected(items=[item for item in items if not flows_of(item) & wanted])
    items[:] = kept
