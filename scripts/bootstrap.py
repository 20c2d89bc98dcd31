"""Make .venv as the lock files say, on a machine that has nothing but some Python 3.

Runs under any Python 3 from 3.6 on, with no package installed. In this order: an interpreter for the project is
looked for (on the PATH, then among pyenv's versions; else uv downloads one), uv is got through pip, and uv installs
what requirements/dev.lock names, every file checked against its hash, then this project itself, editable.

Nothing is done, and no network is used, when the stamp in .venv says that all this was done for the files as they are.
Variables: ISTHMUS_PYTHON (interpreter to use), and whatever pip and uv themselves obey.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "isthmus-stamp")
SCRATCH = os.path.join(ROOT, ".bootstrap")
LOCKS = os.path.join(ROOT, "requirements")
DECIDES = ("requirements/dev.lock", "requirements/bootstrap.lock", "pyproject.toml", "scripts/bootstrap.py")

# The first that runs is taken: those the project is tested on come first. Others have no wheels in the lock files yet.
VERSIONS = ("3.13", "3.12", "3.14")

# Large, and never or seldom imported.
NOT_COMPILED = (
    r"/(faker|mypy|mypyc|pygments/lexers|phonenumbers/(geodata|carrierdata|tzdata)|stdnum|trove_classifiers)/"
)

PROBE = (
    "import sys, sysconfig, ssl, ctypes; "
    "print(sys.implementation.name, '%d.%d' % sys.version_info[:2], "
    "int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), sys.executable)"
)


class SetupFailed(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def say(text):
    """One line of progress."""
    print("set-up: " + text, flush=True)


def output_of(command, seconds=60):
    """What a command prints, or None when it does not exist, fails or hangs."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def run(command, environment):
    """Run a step; when it fails, show all it said."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise SetupFailed("this failed: %s\n%s" % (" ".join(command), said))


def digest():
    """Of everything that decides what .venv holds; the folder too, as a virtual environment cannot be moved."""
    whole = hashlib.sha256(ROOT.encode("utf-8", "surrogateescape"))
    for name in DECIDES:
        with open(os.path.join(ROOT, name), "rb") as file:
            whole.update(file.read())
    return whole.hexdigest()


def is_satisfied():
    """Whether .venv was made from the files as they are, and its interpreter is still there."""
    try:
        with open(STAMP) as file:
            return file.read().strip() == digest() and os.path.exists(VENV_PYTHON)
    except OSError:
        return False


def probe(python):
    """(version, real path) of an interpreter that runs and suits us; None for pyenv's empty shims and the like."""
    said = (output_of([python, "-c", PROBE], seconds=30) or "").split(" ", 3)
    if len(said) != 4 or said[0] != "cpython" or said[1] not in VERSIONS or said[2] != "0":
        return None
    return said[1], said[3]


def candidates(version):
    """Paths that may be this version: all of the PATH, then pyenv's real binaries, never its shims."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for name in ("python" + version, "python3"):
        for folder in folders:
            yield os.path.join(folder, name)
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    installed = os.path.join(pyenv, "versions")
    if os.path.isdir(installed):
        newest_first = sorted(os.listdir(installed), key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
        for name in reversed(newest_first):
            if name == version or name.startswith(version + "."):
                yield os.path.join(installed, name, "bin", "python3")


def find_python():
    """An interpreter for the project, or None when uv has to download one."""
    wish = os.environ.get("ISTHMUS_PYTHON")
    if wish:
        found = probe(wish)
        if found is None:
            raise SetupFailed("ISTHMUS_PYTHON=%s is not a CPython of %s that runs" % (wish, ", ".join(VERSIONS)))
        return found[1]
    tried = {}
    for version in VERSIONS:
        for path in candidates(version):
            if path not in tried and os.access(path, os.X_OK):
                tried[path] = probe(path)
            found = tried.get(path)
            if found is not None and found[0] == version:
                return found[1]
    return None


def pip_of(python):
    """The command that runs pip, in a throwaway environment if this interpreter has none; None if neither works."""
    if output_of([python, "-c", "import sys; sys.exit(sys.version_info < (3, 8))"]) is None:
        return None
    if output_of([python, "-m", "pip", "--version"]) is not None:
        return [python, "-m", "pip"]
    folder = os.path.join(SCRATCH, "pip")
    shutil.rmtree(folder, ignore_errors=True)
    if output_of([python, "-m", "venv", folder], seconds=300) is not None:
        return [os.path.join(folder, "bin", "python"), "-m", "pip"]
    return None


def uv_settings(pip):
    """The environment for uv: it does not read pip's settings, so a mirror or certificate set there is handed on."""
    environment = dict(os.environ, VIRTUAL_ENV=VENV)
    environment.setdefault("UV_HTTP_TIMEOUT", "180")
    settings = output_of([*pip, "config", "list"]) or "" if pip else ""
    found = dict(re.findall(r"^\S*\.(index-url|cert)='([^'\n]*)'$", settings, re.MULTILINE))
    if "index-url" in found and "UV_INDEX_URL" not in environment:
        environment.setdefault("UV_DEFAULT_INDEX", found["index-url"])
    if "cert" in found and os.path.exists(found["cert"]):
        environment.setdefault("SSL_CERT_FILE", found["cert"])
    return environment


def get_uv(pip):
    """Path of uv in the version of requirements/bootstrap.lock: one that is there already, else by pip."""
    lock = os.path.join(LOCKS, "bootstrap.lock")
    with open(lock) as file:
        version = re.search(r"^uv==(\S+)", file.read(), re.MULTILINE).group(1)
    folder = os.path.join(SCRATCH, "uv")
    own = os.path.join(folder, "bin", "uv")
    on_path = shutil.which("uv")
    for path in (own, on_path):
        if path and (output_of([path, "--version"]) or "").split()[1:2] == [version]:
            return path
    if pip is None and on_path:
        say("no pip to get uv %s with; the uv on the PATH is used as it is" % version)
        return on_path
    if pip is None:
        raise SetupFailed(
            "no Python here has pip or can make a virtual environment.\n"
            "Install one of: python3-pip, python3-venv (packages of your system), or uv itself, and start again."
        )
    say("getting uv %s through pip" % version)
    shutil.rmtree(folder, ignore_errors=True)
    # --target leaves the interpreter's own packages alone, so an "externally managed" one allows it.
    environment = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    options = ["--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    run([*pip, "install", *options, "--target", folder, "-r", lock], environment)
    return own


def make_environment(uv, python, environment):
    """Make .venv unless it is there, runs, and has the interpreter we want."""
    if python is None:
        say("no Python %s found; uv downloads %s" % (" or ".join(VERSIONS), VERSIONS[0]))
        try:
            run([uv, "python", "install", VERSIONS[0]], environment)
        except SetupFailed as failed:
            raise SetupFailed(
                "%s\nInstall Python %s, or name one by ISTHMUS_PYTHON=/path/to/python." % (failed, VERSIONS[0])
            ) from None
        wanted, version = ["--managed-python", "--python", VERSIONS[0]], VERSIONS[0]
    else:
        wanted, version = ["--python", python], probe(python)[0]
    there = probe(VENV_PYTHON)
    if there is None or there[0] != version:
        say("Python %s%s" % (version, " at " + python if python else ""))
        run([uv, "venv", "--quiet", "--clear", "--no-project", *wanted, VENV], environment)


def install(uv, environment):
    """What dev.lock names, and nothing else; then this project, built by the locked build tools."""
    say("installing what requirements/dev.lock names")
    lock = os.path.join(LOCKS, "dev.lock")
    into = ["--quiet", "--python", VENV_PYTHON]
    run([uv, "pip", "sync", "--require-hashes", *into, lock], environment)
    run([uv, "pip", "install", "--no-deps", "--no-build-isolation", *into, "--editable", ROOT], environment)
    # Halves the start of every command where the user's settings forbid Python to write its caches.
    compiler = [VENV_PYTHON, "-m", "compileall", "-q", "-j", "0", "-x", NOT_COMPILED, os.path.join(VENV, "lib")]
    subprocess.run(compiler, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def set_up():
    """Everything, once; a second set-up started meanwhile waits and finds the work done."""
    os.makedirs(SCRATCH, exist_ok=True)
    with open(os.path.join(SCRATCH, "lock"), "w") as turn:
        try:
            import fcntl

            fcntl.flock(turn, fcntl.LOCK_EX)
        except ImportError:
            pass
        if is_satisfied():
            return
        python = find_python()
        pip = None
        for candidate in (sys.executable, python):
            pip = pip or (candidate and pip_of(candidate)) or None
        uv = get_uv(pip)
        environment = uv_settings(pip)
        make_environment(uv, python, environment)
        install(uv, environment)
        with open(STAMP, "w") as file:
            file.write(digest() + "\n")
        say("done")


def main():
    """Exit code 0 when .venv is as the lock files say, else 1 with the reason."""
    try:
        if not is_satisfied():
            set_up()
    except SetupFailed as failed:
        print("set-up: " + str(failed), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
