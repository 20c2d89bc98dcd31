"""Flow files of a project's folder: replaced in one step, and brought to what was approved in the console.

The folder is the truth that the hub reads. Every folder of the hub (of each machine that has one) takes up approved
changes by itself, in the order of their approval, and remembers up to which; so what somebody edits by hand afterwards
is never taken back, and a folder that had another text than the change was made from is left alone, and told.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from isthmus.store import FlowChange

__all__ = ["TakenUp", "file_text", "put_file", "take_up", "unix_lines"]

STATE = Path(".isthmus") / "flow_changes.json"
"""Beside the embedded database: up to which change this folder has them, and of which hub."""


class TakenUp(msgspec.Struct, frozen=True, kw_only=True):
    """What taking up approved changes has done to a folder."""

    there: list[str]
    """Changes whose text the folder has now."""
    left: Mapping[str, str]
    """Changes that could not be taken up, and why."""


def file_text(folder: Path, file: str) -> str | None:
    """A flow file as it is now, with lines ended as in Unix; None when there is none. What is no UTF-8 counts as text
    that nobody wrote."""
    try:
        return unix_lines((folder / file).read_bytes().decode("utf-8-sig", "replace"))
    except FileNotFoundError:
        return None


def unix_lines(text: str) -> str:
    """The text with lines ended by a line feed alone; browsers end them otherwise."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def take_up(folder: Path, hub: str, changes: list[FlowChange]) -> TakenUp:
    """Bring the folder to what was approved, change by change; ``hub`` names the store that they are of."""
    there: list[str] = []
    left: dict[str, str] = {}
    with _alone(folder):
        known = _known(folder, hub)
        for at, change in enumerate(changes):
            if (change.place or 0) <= known:
                there.append(change.id)
                continue
            try:
                taken = _take(folder, change)
            except OSError as error:
                # Not passed by: it is tried again.
                left[change.id] = f"{change.file} cannot be written: {error.strerror or type(error).__name__}."
                break
            known = change.place or 0
            if taken:
                there.append(change.id)
                # An earlier one that this folder passed by is part of what it has now.
                for earlier in changes[:at]:
                    if earlier.flow == change.flow:
                        left.pop(earlier.id, None)
            else:
                left[change.id] = f"{change.file} has another text than the change was made from; it is left as it is."
        if known != _known(folder, hub):
            put_file(folder, str(STATE), json.dumps({"hub": hub, "place": known}))
    return TakenUp(there=there, left=left)


def _take(folder: Path, change: FlowChange) -> bool:
    """Whether the folder has its text now; not when it had another one before."""
    text = file_text(folder, change.file)
    if text == change.content:
        return True
    if text != change.base:
        return False
    put_file(folder, change.file, change.content)
    return True


def put_file(folder: Path, file: str, content: str | None) -> None:
    """All of the new text or all of the old one, whenever the machine stops; None takes the file away."""
    path = folder / file
    if content is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as output:
            output.write(content.encode())
            output.flush()
            os.fsync(output.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        Path(draft).chmod(mode)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process of this machine takes up changes in this folder meanwhile."""
    place = folder / STATE.parent
    place.mkdir(exist_ok=True)
    lock = os.open(place / "flow_changes.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _known(folder: Path, hub: str) -> int:
    try:
        known = json.loads((folder / STATE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return 0
    return int(known["place"]) if known.get("hub") == hub else 0
