"""Make the lock files anew: exact versions with hashes, for every platform, and no registry address inside."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
UV = str(Path(sys.executable).with_name("uv"))
COMPILE = (
    "pip compile --quiet --generate-hashes --universal --python-version 3.12"
    " --no-emit-index-url --no-emit-find-links --no-header"
).split()


def compile_lock(name: str, *arguments: str, stdin: str | None = None) -> None:
    """Resolve into requirements/NAME, keeping the versions it has unless told to upgrade."""
    path = LOCKS / name
    command = [UV, *COMPILE, *arguments, *sys.argv[1:], "--output-file", str(path.relative_to(ROOT))]
    subprocess.run(command, cwd=ROOT, check=True, input=stdin, text=True, stdout=subprocess.DEVNULL)
    if address := re.search(r"\w+://\S+", path.read_text()):
        sys.exit(f"{path.name} names an address: {address[0]}; compile it where no index or link is set")
    pins = len(re.findall(r"^\S+==", path.read_text(), re.MULTILINE))
    print(f"requirements/{name}: {pins} packages")


def main() -> None:
    """Runtime first; the other two must agree with it."""
    compile_lock("run.lock", "pyproject.toml")
    compile_lock("dev.lock", "pyproject.toml", "--group", "dev", "--constraints", "requirements/run.lock")
    compile_lock("bootstrap.lock", "-", "--constraints", "requirements/run.lock", stdin="uv\n")


if __name__ == "__main__":
    main()
