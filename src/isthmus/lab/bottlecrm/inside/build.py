# mypy: disable-error-code="import-not-found, import-untyped"
"""Runs in BottleCRM's own environment: makes its tables and fills them with the lab's data.

python build.py DATASET.json SECRETS.json RESULT.json
"""

import datetime as dt
import json
import sys
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django

DATASET, SECRETS, RESULT = sys.argv[1:]
VAT_FIELD = "vat_number"


def create_tables() -> None:
    """Tables as the models say, and every migration marked as done."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder
    from django.test.utils import override_settings

    call_command("migrate", run_syncdb=True, verbosity=0)
    with override_settings(MIGRATION_MODULES={}):
        loader = MigrationLoader(None)
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    now = dt.datetime.now(dt.UTC)
    recorder.Migration.objects.bulk_create(
        [recorder.Migration(app=app, name=name, applied=now) for app, name in sorted(loader.disk_migrations)]
    )


def people(secrets: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """The organisation; the hub with its tokens; Carl, who works in the CRM."""
    from common.models import Org, PersonalAccessToken, Profile, User
    from common.serializer import OrgAwareRefreshToken

    org = Org.objects.create(name="Isthmus Trading", company_name="Isthmus Trading GmbH", default_currency="EUR")
    made: dict[str, Any] = {"org": str(org.id)}
    for login in ("hub", "carl"):
        user = User.objects.create_superuser(email=f"{login}@lab.example", password=secrets[login])
        profile = Profile.objects.create(user=user, org=org, role="ADMIN", is_organization_admin=True, is_active=True)
        token, _ = PersonalAccessToken.generate(profile, login)
        jwt = str(OrgAwareRefreshToken.for_user_and_org(user, org, profile).access_token)
        made[login] = {"user": str(user.id), "profile": str(profile.id), "token": token, "jwt": jwt}
    return made, org


def accounts(dataset: dict[str, Any], org: Any, owner: Any) -> None:
    """Accounts and their contacts; the VAT number is the one custom field the business itself had made."""
    from accounts.models import Account
    from common.models import CustomFieldDefinition
    from common.phones import set_phone_e164
    from contacts.models import Contact

    CustomFieldDefinition.objects.create(
        org=org, target_model="Account", key=VAT_FIELD, label="VAT number", field_type="text", is_filterable=True
    )
    plain = ("name", "email", "phone", "website", "industry", "currency", "address_line", "postcode", "city", "country")
    rows, people_rows = [], []
    for data in dataset["accounts"]:
        custom = {VAT_FIELD: data["vat_number"]} if data["vat_number"] else {}
        account = Account(
            org=org, created_by=owner, custom_fields=custom, **{name: data[name] for name in plain if data[name]}
        )
        rows.append(account)
        for person in data["people"]:
            contact = Contact(
                org=org,
                created_by=owner,
                account=account,
                organization=data["name"],
                **{
                    name: person[name]
                    for name in ("first_name", "last_name", "title", "email", "phone")
                    if person[name]
                },
            )
            set_phone_e164(contact, {})
            people_rows.append(contact)
    Account.objects.bulk_create(rows, batch_size=500)
    Contact.objects.bulk_create(people_rows, batch_size=500)
    through = Account.contacts.through
    through.objects.bulk_create(
        [through(account_id=contact.account_id, contact_id=contact.id) for contact in people_rows], batch_size=500
    )


def products(dataset: dict[str, Any], org: Any, owner: Any) -> None:
    """The part of the catalogue that the CRM has."""
    from invoices.models import Product

    Product.objects.bulk_create(
        [
            Product(
                org=org,
                created_by=owner,
                name=data["name"],
                description=data["description"],
                sku=data["sku"],
                price=Decimal(data["list_price"]),
                currency="EUR",
            )
            for data in dataset["products"]
            if data["in_crm"]
        ],
        batch_size=500,
    )


def main() -> None:
    """All of it; RESULT gets what the lab has to know."""
    dataset = json.loads(Path(DATASET).read_text(encoding="utf-8"))
    secrets = json.loads(Path(SECRETS).read_text(encoding="utf-8"))
    django.setup()
    create_tables()
    made, org = people(secrets)
    from common.models import User

    owner = User.objects.get(email="carl@lab.example")
    accounts(dataset, org, owner)
    products(dataset, org, owner)
    Path(RESULT).write_text(json.dumps({**made, "version": version("django-crm")}), encoding="utf-8")


if __name__ == "__main__":
    main()
