"""The command line. Every command takes ``--json``; exit codes are the same everywhere (see docs/commands.md)."""

from __future__ import annotations

import sys

from isthmus.cli.root import app
from isthmus.cli.show import fail
from isthmus.errors import IsthmusError

__all__ = ["main"]


def main() -> None:
    """Run the command line; errors of ours end in a message and an exit code, never in a trace."""
    try:
        app()
    except IsthmusError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
