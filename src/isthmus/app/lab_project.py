"""A project wired to a running lab (with its mail server, when that runs), as ``lab up`` and the demo make it. Secrets
go to files that only we can read."""

from __future__ import annotations

import secrets
from pathlib import Path

from isthmus.lab import Lab

__all__ = ["LAB_FOLDER", "write_lab_project"]

LAB_FOLDER = ".isthmus/lab"
"""Inside the project."""

_TOML = """\
# A real CRM (BottleCRM) and a real ERP (Tryton) on this machine, joined by the crm-erp pack.
[hub]
name = "lab"
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"

[systems.crm]
kind = "bottlecrm"
url = "{crm_url}"
token = "file:secrets/crm-token"
admin_token = "file:secrets/crm-admin-token"

[systems.erp]
kind = "tryton"
url = "{erp_url}"
database = "{database}"
login = "hub"
password = "file:secrets/erp-password"
hint_secret = "file:secrets/erp-hint-secret"
price_lists = ["Retail", "Dealer"]
quote_orders = true

[shop]
visitors = true
list_prices = true

[packs]
use = ["crm-erp", "order-desk", "quotes", "service-desk", "service-stations"]
"""

_MAIL = """
[mail]
smtp = "127.0.0.1:{smtp}"
tls = "none"
sender = "Lab orders <orders@lab.example>"
bounces_to = "{bounces}"
imap = "127.0.0.1:{imap}"
imap_tls = "none"
imap_user = "{bounces}"
imap_password = "file:secrets/mail-password"
"""


def write_lab_project(folder: Path, lab: Lab, *, port: int = 8420) -> None:
    """Write ``isthmus.toml`` and the secrets for the lab's systems; overwrites both, keeps everything else.

    ``port`` is where the hub will listen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crm, erp = lab.bottlecrm, lab.tryton
    text = _TOML.format(port=port, crm_url=crm.url, erp_url=erp.url, database=erp.credentials["database"])
    mail = lab.mail if lab.mail.processes() else None
    if mail is not None:
        bounces = mail.credentials["bounces"]
        text += _MAIL.format(smtp=mail.smtp_port, imap=mail.imap_port, bounces=bounces)
    (folder / "isthmus.toml").write_text(text, encoding="utf-8")
    place = folder / "secrets"
    place.mkdir(mode=0o700, exist_ok=True)
    values = {
        "crm-token": crm.credentials["hub"]["token"],
        "crm-admin-token": crm.credentials["hub"]["jwt"],
        "erp-password": erp.credentials["hub"]["password"],
    }
    if mail is not None:
        values["mail-password"] = mail.credentials["password"]
    for name, value in values.items():
        _write_secret(place / name, value)
    if not (place / "erp-hint-secret").exists():
        _write_secret(place / "erp-hint-secret", secrets.token_urlsafe(32))


def _write_secret(path: Path, value: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(value, encoding="utf-8")
