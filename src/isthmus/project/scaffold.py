"""A new project folder, as ``isthmus init`` makes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from isthmus.errors import Misconfigured, Place
from isthmus.project.settings import SETTINGS_FILE

__all__ = ["Answers", "SystemAnswer", "new_project"]


class SystemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One system of a new project. ``values`` are its keys; ``secrets`` its secret keys with the environment variable
    that will hold each."""

    kind: str
    values: Mapping[str, str | int | bool] = {}
    secrets: Mapping[str, str] = {}


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What ``isthmus init`` asked."""

    name: str = "isthmus"
    listen: str = "127.0.0.1:8420"
    public_url: str = "http://127.0.0.1:8420"
    systems: Mapping[str, SystemAnswer]
    packs: tuple[str, ...] = ()
    roles: Mapping[str, Mapping[str, str]] = {}
    """Pack -> role -> system, where a system is not called like its role."""


_GITIGNORE = """\
# data, logs and state of the hub
/.isthmus/
# secrets
.env
/secrets/
"""

_README = """\
# Flows

One file here keeps one kind of thing in step. `isthmus check` reads them all and runs their examples; `isthmus plan`
shows what they would do. Flows of the packs named in isthmus.toml need no file.

To change a pack's flow, extend it by a few lines:

```yaml
flow: customer
extends: crm-erp/customer
fields:
  website: {owner: crm}      # the CRM's value wins
  industry: off              # not kept in step
```
"""


_APPROVALS = """\
# Who must approve what. Rules are tried from the top; the first that fits counts; without one nothing is approved.
# All keys: docs/project-reference.md. Logins are mail addresses.
currency: EUR

teams: {}
#  sales_leads: [anna@example.com, ben@example.com]

rules: []
#  - rule: small_orders
#    document: SalesOrder
#    when: {amount: {below: 1000}, discount: {below: 5%}}
#    ask: nobody
#  - rule: orders
#    document: SalesOrder
#    ask:
#      - {stage: lead, who: sales_leads, within: 2d, escalate: boss@example.com}
"""


def new_project(folder: Path, answers: Answers) -> tuple[Path, ...]:
    """Write a new project and answer its files. Overwrites nothing: raises :class:`~isthmus.errors.Misconfigured`
    before the first file is written when one of them exists already."""
    texts = {
        SETTINGS_FILE: _settings_text(answers),
        ".gitignore": _GITIGNORE,
        ".env.example": _environment_text(answers),
        "flows/README.md": _README,
        "approvals.yaml": _APPROVALS,
    }
    for name in texts:
        if (folder / name).exists():
            message = f"'{name}' exists already in '{folder}'; nothing was written."
            raise Misconfigured(message, place=Place(name), advice="Choose another folder.")
    paths = []
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x": also against a file that appeared since the check above.
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
        paths.append(path)
    return tuple(paths)


def _quoted(value: str | int | bool) -> str:
    """A TOML value; JSON's strings are TOML's but for DEL, which it leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _settings_text(answers: Answers) -> str:
    lines = [
        "[hub]",
        f"name = {_quoted(answers.name)}",
        "# Without this line the hub keeps its data in an embedded PostgreSQL in this folder.",
        '# database_url = "env:ISTHMUS_DATABASE_URL"',
        f"listen = {_quoted(answers.listen)}",
    ]
    if answers.public_url:
        lines += ["# What far systems can reach, for webhooks.", f"public_url = {_quoted(answers.public_url)}"]
    for name, system in answers.systems.items():
        lines += ["", f"[systems.{name}]", f"kind = {_quoted(system.kind)}"]
        lines += [f"{key} = {_quoted(value)}" for key, value in system.values.items()]
        lines += [f"{key} = {_quoted(f'env:{variable}')}" for key, variable in system.secrets.items()]
    if answers.packs:
        lines += ["", "[packs]", f"use = [{', '.join(_quoted(pack) for pack in answers.packs)}]"]
        for pack, roles in answers.roles.items():
            taken = ", ".join(f"{role} = {_quoted(system)}" for role, system in roles.items())
            lines.append(f"{pack} = {{{taken}}}")
    return "\n".join(lines) + "\n"


def _environment_text(answers: Answers) -> str:
    variables = {variable for system in answers.systems.values() for variable in system.secrets.values()}
    lines = ["# Copy to .env, fill in, and load it into the environment of the hub. Never commit .env."]
    return "\n".join([*lines, *(f"{variable}=" for variable in sorted(variables))]) + "\n"
