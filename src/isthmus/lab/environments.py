"""Each system's own virtual environment, built by uv from a lock file with hashes, and cached."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from isthmus.errors import LabError

from .process import clean_environment

__all__ = ["Report", "cache_folder", "digest_of", "locked", "make_environment", "modules_folder", "run"]

Report = Callable[[str], None]
"""Told in one line what is being done when it takes time."""

_DONE = "isthmus-complete"


def cache_folder() -> Path:
    """Where downloads and templates stay between runs: ``$ISTHMUS_CACHE`` or ``~/.cache/isthmus``, in it ``lab``."""
    base = os.environ.get("ISTHMUS_CACHE")
    if not base:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isthmus")
    return Path(base).expanduser().absolute() / "lab"


def digest_of(files: Iterable[Path], *words: str) -> str:
    """A short name for the contents of ``files`` (in the given order) and ``words``."""
    made = hashlib.sha256("\0".join(words).encode())
    for file in files:
        made.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return made.hexdigest()[:12]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; a second process waits until the first has done the work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_environment(
    name: str, requirements: Path, cache: Path, report: Report, modules: tuple[Path, str] | None = None
) -> Path:
    """The environment of system ``name`` as ``requirements`` says, built unless the cache has it; its folder.

    ``modules`` is (folder of a package, where to below site-packages): copied in, as an installer would.
    Raises LabError when a download, a hash or the interpreter is wrong.
    """
    sources = sorted(file for file in modules[0].rglob("*") if file.is_file()) if modules else []
    sources = [file for file in sources if "__pycache__" not in file.parts]
    key = digest_of([requirements, *sources], f"{sys.version_info[:2]}")
    folder = cache / "environments" / f"{name}-{key}"
    with locked(folder.with_name(folder.name + ".lock")):
        if (folder / _DONE).exists():
            return folder
        report(f"installing {name} (half a minute the first time)")
        shutil.rmtree(folder, ignore_errors=True)
        uv = _uv()
        run([*uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder], f"make a place for {name}")
        run(
            [
                *uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                folder,
                "--require-hashes",
                "-r",
                requirements,
            ],
            f"install {name}",
            advice="The download needs a network; proxies and mirrors are set as for uv (UV_INDEX_URL, UV_FIND_LINKS).",
        )
        if modules:
            target = site_packages(folder) / modules[1]
            shutil.copytree(modules[0], target, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        (folder / _DONE).touch()
    return folder


def site_packages(environment: Path) -> Path:
    """Where the packages of ``environment`` are."""
    (found,) = environment.glob("lib/python3*/site-packages")
    return found


def modules_folder() -> Path:
    """The Tryton module of Isthmus, which is GPL and therefore no part of this package.

    It lies in ``contrib`` of the source tree, or where ``$ISTHMUS_CONTRIB`` says.
    """
    base = os.environ.get("ISTHMUS_CONTRIB")
    contrib = Path(base) if base else Path(__file__).resolve().parents[3] / "contrib"
    folder = contrib / "trytond-isthmus-outbox" / "trytond_isthmus_outbox"
    if not (folder / "tryton.cfg").exists():
        raise LabError(
            f"The Tryton module trytond-isthmus-outbox is not at {folder.parent}.",
            advice="Run the lab from a checkout of Isthmus, or set ISTHMUS_CONTRIB to the folder that has it.",
        )
    return folder


def run(
    command: list[str | Path], what: str, *, environment: dict[str, str] | None = None, advice: str = "",
    account: tuple[int, int] | None = None,
) -> str:  # fmt: skip
    """Run ``command`` to its end; what it printed. Raises LabError with the end of its output when it fails."""
    user, group = account or (None, None)
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=clean_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            user=user,
            group=group,
            extra_groups=None if account is None else [],
        )
    except OSError as error:
        raise LabError(f"Cannot {what}: {error}.", advice=advice) from error
    if done.returncode:
        tail = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-25:])
        raise LabError(f"Cannot {what}: {Path(command[0]).name} ended with {done.returncode}.\n{tail}\n", advice=advice)
    return done.stdout


def _uv() -> list[str | Path]:
    """How to call uv: beside our interpreter, on the PATH, or as a module."""
    beside = Path(sys.executable).with_name("uv")
    if beside.exists():
        return [beside]
    if found := shutil.which("uv"):
        return [found]
    return [sys.executable, "-m", "uv"]
