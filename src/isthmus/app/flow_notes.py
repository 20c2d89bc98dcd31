"""Remembering which version of each flow was in force, so that one can look back and go back."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from datetime import datetime

from isthmus.model.state import FlowVersion
from isthmus.project import Project
from isthmus.store import PostgresStore, Reads

__all__ = ["account", "note_flows"]


def account() -> str:
    """The account that this process runs as; a service may have a number only."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


async def note_flows(
    store: PostgresStore,
    project: Project,
    *,
    by: str,
    now: datetime,
    ran: bool,
    authors: Mapping[str, str] = {},
) -> None:
    """Note the project's flows as they are now; nothing is noted twice. ``ran``: they are in force from now on.
    ``authors``: whose work a flow is, where that is known better than ``by``."""
    ran_at = now if ran else None
    versions = [
        FlowVersion(
            flow=name,
            number=0,
            file=source.file,
            content=source.content,
            pack=source.pack,
            ran_at=ran_at,
            noted_at=now,
            by=authors.get(name, by),
        )
        for name, source in project.sources.items()
    ]
    known = {version.flow for version in await Reads(store).flow_versions()}
    versions += [
        FlowVersion(flow=name, number=0, file=None, content=None, pack=None, ran_at=ran_at, noted_at=now, by=by)
        for name in sorted(known - project.sources.keys())
    ]
    await store.add_flow_versions(versions)
