"""Makes an empty mail store in the folder given: a hub's bounce mailbox, and the password of every mailbox."""

import importlib.metadata
import json
import mailbox
import sys
from pathlib import Path

from passlib.hash import pbkdf2_sha256  # type: ignore[import-untyped]

folder, password, addresses = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
secret = pbkdf2_sha256.using(rounds=1000).hash(password)
(folder / "password.hash").write_text(secret)
(folder / "mail").mkdir()
for address in addresses:
    mailbox.Maildir(folder / "mail" / address).close()
(folder / "mail" / "pymap-etc-passwd").write_text("".join(f"{name}:x::::{name}:\n" for name in addresses))
(folder / "mail" / "pymap-etc-shadow").write_text("".join(f"{name}:{secret}::::::\n" for name in addresses))
sys.stdout.write(json.dumps({name: importlib.metadata.version(name) for name in ("aiosmtpd", "pymap")}))
