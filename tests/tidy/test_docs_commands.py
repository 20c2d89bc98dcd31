"""docs/commands.md has every command, argument, option and exit code, and none that does not exist."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from isthmus.cli.root import app
from isthmus.cli.show import Exit
from tests.tidy.tree import text_of

DOCUMENT = "docs/commands.md"
HEADING = re.compile(r"^### `isthmus ([^`]+)`$", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its words. Typer's classes are not Click's, so none is asked for."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
    else:
        for name in command.list_commands(None):
            yield from walk(command.get_command(None, name), (*path, name))


COMMANDS = dict(walk(typer.main.get_command(app)))


def sections() -> dict[str, str]:
    """Command → its section."""
    parts = HEADING.split(text_of(DOCUMENT))[1:]
    return {name: body.split("\n## ")[0] for name, body in zip(parts[::2], parts[1::2], strict=True)}


def options_of(command: Any) -> set[str]:
    """Long names of a command's options."""
    return {
        name
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--") and name != "--help"
    }


def test_every_command_has_a_section() -> None:
    documented = set(sections())
    assert not set(COMMANDS) - documented, f"{DOCUMENT} needs a section for: {sorted(set(COMMANDS) - documented)}"
    assert not documented - set(COMMANDS), f"{DOCUMENT} has no such command: {sorted(documented - set(COMMANDS))}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_documented(name: str) -> None:
    command, body = COMMANDS[name], sections().get(name, "")
    known, told = options_of(command), set(OPTION.findall(body))
    assert not known - told, f"the section of 'isthmus {name}' lacks {sorted(known - told)}"
    assert not told - known, f"'isthmus {name}' has no {sorted(told - known)}"
    arguments = [str(parameter.name).upper() for parameter in command.params if parameter.param_type_name == "argument"]
    missing = [argument for argument in arguments if not re.search(rf"\b{argument}\b", body)]
    assert not missing, f"the section of 'isthmus {name}' lacks {missing}"


def test_every_exit_code_is_documented() -> None:
    told = {int(code) for code in re.findall(r"^\| `(\d+)` \|", text_of(DOCUMENT), re.MULTILINE)}
    # 130 is the shell's own code for an end by Ctrl-C.
    assert told == {code.value for code in Exit} | {130}
