"""What can be wrong in flows, entities and code, and where the reader says it is."""

from pathlib import Path

import pytest

from isthmus.project import ProjectErrors, load_default_mapping
from tests.project.folder import CUSTOMER, faults

FILE = "flows/customer.yaml"

HEAD = "flow: customer\nentity: Customer\nsystems: {crm: {}, erp: {}}\n"


def field(text: str) -> str:
    return f"{HEAD}fields:\n  {text}\n"


def side(text: str) -> str:
    return f"flow: customer\nentity: Customer\nsystems: {{erp: {{}}, crm: {{{text}}}}}\nfields: {{name: {{}}}}\n"


def match(text: str) -> str:
    return f"{HEAD}fields: {{name: {{}}, address: {{}}, active: {{}}, email: {{}}}}\nmatch:\n  - {text}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CUSTOMER.replace("fields:", "feilds:"), "7:1: Unknown key of a flow 'feilds'. Did you mean 'fields'?"),
        (
            CUSTOMER.replace("entity: Customer", "entity: Custmer"),
            "2:9: Unknown entity 'Custmer'. Did you mean 'Customer'?",
        ),
        (
            CUSTOMER.replace("flow: customer", "flow: Customer"),
            "1:7: 'Customer' cannot be a flow. Use a-z, 0-9 and _, starting with a letter.",
        ),
        (CUSTOMER.replace("  erp: {", "  epr: {"), "6:3: Unknown system 'epr'. Did you mean 'erp'?"),
        (CUSTOMER + "first: crn\n", "11:8: Unknown system of this flow 'crn'. Did you mean 'crm'?"),
        ("- a\n", "1:1: The file must hold a mapping."),
        (HEAD + "fields: {}\n", "4:9: The flow has no field."),
        ("flow: customer\nentity: Customer\nsystems: {}\nfields: {name: {}}\n", "3:10: The flow has no system."),
        (
            "flow: customer\nentity: Customer\nsystems: {crm: {adopt: linked}}\nfields: {name: {}}\n",
            "3:10: No system may bring records into the flow. "
            "At least one needs 'adopt: always', or the flow 'hub: adopt'.",
        ),
        # fields
        (field("nmae: {}"), "5:3: Unknown field of Customer 'nmae'. Did you mean 'name'?"),
        (field("name:"), "5:3: 'name' says nothing. Write {} for the default mapping, or off."),
        (field("industry: {}"), "5:3: No system holds 'industry'. Say where it is, or write 'industry: off'."),
        (field("name: {crm: off, erp: off}"), "5:3: No system holds 'name'. Say where it is, or write 'name: off'."),
        (field("name: {wrtiers: [erp]}"), "5:10: Unknown key of field 'name' 'wrtiers'. Did you mean 'writers'?"),
        (field("name: {crn: x}"), "5:10: Unknown key of field 'name' 'crn'. Did you mean 'crm'?"),
        (field("name: {owner: epr}"), "5:17: Unknown system of this flow 'epr'. Did you mean 'erp'?"),
        (field("name: {writers: [crm, epr]}"), "5:25: Unknown system of this flow 'epr'. Did you mean 'erp'?"),
        (field("name: {writers: []}"), "5:19: 'writers' names no system. Without it all systems may write."),
        (field("tax_id: {owner: crm}"), "5:19: The owner 'crm' does not hold this field."),
        (field("name: {owner: crm, writers: [erp]}"), "5:17: 'crm' owns the field but is not among its writers."),
        (field("name: {merge: unoin}"), "5:17: Unknown merge rule 'unoin'. Did you mean 'union'?"),
        (
            field("name: {merge: max}"),
            "5:17: Merge rule 'max' cannot join fields of type text. Use 'owner'.",
        ),
        (field("address: {merge: union}"), "5:20: Merge rule 'union' cannot join fields of type struct. Use 'owner'."),
        # expressions
        (field("name: {crm: a..b}"), "5:17: Path 'a..b': expected a field name."),
        (field('name: {crm: "a[x]"}'), "5:18: Path 'a[x]': 'x' is no position; write [0] or [name=value]."),
        (
            field("name: {crm: [a, b]}"),
            "5:15: A list is no expression. For several places as one text: {join: [a, b]}.",
        ),
        (field("name: {crm: 5}"), "5:15: An expression must be text, not a number."),
        (field("name: {crm: {paht: a}}"), "5:16: Unknown key of an expression 'paht'. Did you mean 'path'?"),
        (field("name: {crm: {only: read}}"), "5:15: An expression needs one of path, fields, join, const."),
        (field("name: {crm: {path: a, by: x}}"), "5:25: 'by' does not go with 'path'. Possible: path, as, only."),
        (field("name: {crm: {path: a, only: reed}}"), "5:31: Unknown value of 'only' 'reed'. Did you mean 'read'?"),
        (
            field("name: {crm: {path: a, as: lowercsae}}"),
            "5:29: Unknown converter 'lowercsae'. Did you mean 'lowercase'?",
        ),
        (field("name: {as: uppercsae}"), "5:14: Unknown converter 'uppercsae'. Did you mean 'uppercase'?"),
        (
            field("active: {crm: {path: a, as: lowercase}}"),
            "5:31: Converter 'lowercase' cannot give a field of type boolean. Possible: boolean, choice.",
        ),
        (field("name: {crm: {path: a, as: digits(2)}}"), "5:29: Converter 'digits' takes no arguments."),
        (field("name: {crm: {path: a, as: digits(a=b)}}"), "5:29: Converter 'digits' takes no pairs."),
        (
            field("name: {crm: {path: a, as: phone(Germany)}}"),
            "5:29: phone takes the ISO code of the country whose numbers have no country code, as in phone(DE).",
        ),
        (
            field("name: {crm: {path: a, as: choice}}"),
            "5:29: choice takes pairs, as in choice(open=draft, closed=done).",
        ),
        (
            field("name: {crm: {path: a, as: {choice: {a: b}, x: 1}}}"),
            "5:46: Unknown key of 'as' 'x'. Known: choice, ref.",
        ),
        (field("name: {crm: {path: a, as: 'choice(a=b, a=c)'}}"), "5:29: choice gives 'a' two meanings."),
        (field("active: {crm: {path: a, as: 'choice(a=maybe)'}}"), "5:31: choice: 'maybe' is not yes or no."),
        (
            field("name: {crm: {path: a, as: choice(a=b, c=d)}}"),
            "5:29: The converter is cut at its comma. Inside { } put it in quotes: as: 'choice(a=b, c=d)'.",
        ),
        (field("name: {crm: {join: [a], by: x}}"), "5:16: join needs at least two paths."),
        (field("name: {crm: {join: [a, b], by: 1}}"), "5:34: 'by' must be the text between the parts."),
        (field("active: {crm: {join: [a, b]}}"), "5:18: join gives text, but the field is of type boolean."),
        (field("name: {crm: {fields: {a: b}}}"), "5:24: A field of type text has no parts."),
        (
            field("address: {crm: {fields: {sreet: b}}}"),
            "5:28: Unknown key of the parts 'sreet'. Did you mean 'street'?",
        ),
        (
            field("address: {crm: {fields: {}}}"),
            "5:27: A struct needs at least one part. Known: city, country, postal_code, region, street.",
        ),
        (
            field("credit_limit: {crm: {fields: {amount: a}}}"),
            "5:32: The value means nothing without its currency. Add 'currency'.",
        ),
        (
            field("address: {crm: {fields: {city: {path: a, only: create}}}}"),
            "5:50: A part of a struct or list cannot be 'only: create'. Set it for the whole field.",
        ),
        (
            field("active: {crm: {const: maybe}}"),
            "5:25: The constant does not fit a field of type boolean: 'maybe' is not yes or no.",
        ),
        (
            field("name: {crm: {path: a, each: {x: y}}}"),
            "5:31: 'each' is for lists of structs, but the field is of type text.",
        ),
        (field("name: {crm: {each: {x: y}}}"), "5:15: 'each' needs a 'path' to the list."),
        (
            field('name: {crm: {path: "@key", only: create}}'),
            "5:36: A record's key is given by its system and never written.",
        ),
        # sides
        (side("evry: 1s"), "3:26: Unknown key of system 'crm' 'evry'. Did you mean 'every'?"),
        (side("every: soon"), "3:33: 'every' must be a duration of at most 24h such as 500ms, 15s, 2m or 1h."),
        (side("every: 0s"), "3:33: 'every' must be a duration of at most 24h such as 500ms, 15s, 2m or 1h."),
        (side("create: alwasy"), "3:34: Unknown value of 'create' 'alwasy'. Did you mean 'always'?"),
        (side("create: {wen: {name: present}}"), "3:35: Unknown key of 'create' 'wen'. Did you mean 'when'?"),
        (side("create: {when: {nmae: present}}"), "3:42: Unknown field 'nmae'. Did you mean 'name'?"),
        (side("create: {when: {address.cty: present}}"), "3:42: Unknown field 'address.cty'. Did you mean 'city'?"),
        (
            side("create: {when: {address: x}}"),
            "3:51: 'address' is a struct: only 'present' or 'absent' can be asked of it.",
        ),
        (side("create: {when: {}}"), "3:41: 'when' needs at least one condition. Without any: 'create: always'."),
        (side("create: {when: {name: }}"), "3:47: A condition needs a value. For empty fields: 'absent'."),
        (side("where: {a: {b: c}}"), "3:37: A condition is a value, a list of values, 'present' or 'absent'."),
        (side('where: {"a[0]": 1}'), "3:34: Field 'a[0]': a condition looks at plain fields, not into lists."),
        (side("adopt: linkd"), "3:33: Unknown value of 'adopt' 'linkd'. Did you mean 'linked'?"),
        (side("delete: archiv"), "3:34: Unknown delete policy 'archiv'. Did you mean 'archive'?"),
        (side("merge: kep"), "3:33: Unknown merge policy 'kep'. Did you mean 'keep'?"),
        (side("archive: {a.b: 1}"), "3:36: 'a.b': archive sets whole fields of the record."),
        (side("use: estimte"), "3:31: The default mapping of somecrm has no 'Customer@estimte'."),
        (side("resource: 5"), "3:36: 'resource' must be text, not a number."),
        (
            side("").replace("systems: {", "systems: {").replace("erp: {}", "erp: {delete: archive}"),
            "3:25: Archiving in 'erp' needs 'archive'. Say which fields do it: {active: false}.",
        ),
        (side("") + "deletes: {crn: hold}\n", "5:11: Unknown key of 'deletes' 'crn'. Did you mean 'crm'?"),
        (side("") + "deletes: {crm: hodl}\n", "5:16: Unknown delete policy 'hodl'. Did you mean 'hold'?"),
        (side("delete: hold") + "deletes: {crm: hold}\n", "5:11: 'delete' of crm is given twice (also in line 3)."),
        # match
        (match("nmae"), "6:5: Unknown field 'nmae' of Customer. Did you mean 'name'?"),
        (
            match("{name: simlar 0.9, email: exact}"),
            "6:12: A part of a match rule is 'exact', or 'similar 0.92' (above 0, at most 1).",
        ),
        (
            match("{name: similar 2, email: exact}"),
            "6:12: A part of a match rule is 'exact', or 'similar 0.92' (above 0, at most 1).",
        ),
        (
            match("{name: similar 0.9}"),
            "6:5: A match rule needs one field that must be equal, or everything is compared with everything. "
            "Add one, such as address.country: exact.",
        ),
        (
            match("address"),
            "6:5: Records cannot be matched by 'address', which is a struct. "
            "Name a part of it, such as address.street.",
        ),
        (
            match("{active: similar 0.9, name: exact}"),
            "6:6: Only texts can be similar; 'active' is a boolean. Write 'exact'.",
        ),
        (match("phone"), "6:5: 'phone' decides a match but is not among the flow's fields."),
        # brake, examples, ids
        (side("") + "brake: {share: 120%}\n", "5:16: 'share' must be a share such as 20% or 0.2 (at most 100%)."),
        (side("") + "brake: {at_least: -1}\n", "5:19: 'at_least' must be a whole number from 0 on."),
        (side("") + "brake: {sahre: 1%}\n", "5:9: Unknown key of 'brake' 'sahre'. Did you mean 'share'?"),
        (side("") + "examples:\n  - {name: x}\n", "6:5: An example needs 'name' and 'hub'."),
        (
            side("") + "examples:\n  - {name: x, hub: {name: y}}\n",
            "6:5: An example needs the record of at least one system.",
        ),
        (
            side("") + "examples:\n  - {name: x, hub: {nmae: y}, crm: {}}\n",
            "6:21: Unknown key of 'hub' 'nmae'. Did you mean 'name'?",
        ),
        (
            side("") + "examples:\n  - {name: x, hub: {name: [y]}, crm: {}}\n",
            "6:27: 'name': Expected text, got list.",
        ),
        (
            side("") + "examples:\n  - {name: x, hub: {}, cmr: {}}\n",
            "6:24: Unknown key of an example 'cmr'. Did you mean 'crm'?",
        ),
    ],
)
def test_a_wrong_flow(tmp_path: Path, text: str, message: str) -> None:
    assert faults(tmp_path, {FILE: text})[0] == f"{FILE}:{message}"


ORDER = "flow: order\nentity: SalesOrder\nsystems: {crm: {}, erp: {}}\nfields:\n  "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer: {}", "5:3: Unknown flow 'customer' (in the default mapping of 'crm')."),
        ("customer: {crm: off, erp: {path: party, as: ref(costumer)}}", "5:29: Unknown flow 'costumer'."),
        (
            "customer: {crm: off, erp: party}",
            "5:29: The field refers to another record: say by which flow. {path: …, as: ref(FLOW)}.",
        ),
        (
            "customer: {crm: off, erp: {path: party, as: ref(order)}}",
            "5:29: 'customer' refers to a Customer, but flow 'order' keeps SalesOrders.",
        ),
        ("state: {erp: {path: a, as: ref(order)}}", "5:30: Converter 'ref' cannot give a field of type text."),
        ("customer: {erp: {path: a, as: ref}}", "5:33: ref takes the name of one flow, as in ref(customer)."),
        (
            "lines: {erp: {path: lines, as: summary}}",
            "5:34: A summary cannot be read back. Add 'only: write'.",
        ),
    ],
)
def test_a_wrong_reference(tmp_path: Path, text: str, message: str) -> None:
    found = faults(tmp_path, {"flows/order.yaml": ORDER + text + "\n"})
    assert found[0].startswith(f"flows/order.yaml:{message}")


def test_a_reference_to_a_flow_without_the_system(tmp_path: Path) -> None:
    customer = "flow: customer\nentity: Customer\nsystems: {erp: {}}\nfields: {name: {}}\n"
    order = ORDER + "customer: {}\n"
    assert faults(tmp_path, {FILE: customer, "flows/order.yaml": order}) == [
        "flows/order.yaml:5:3: 'customer' refers to flow 'customer' (in the default mapping of 'crm'), in which 'crm' "
        "takes no part. Write 'crm: off', or add crm to flow 'customer'."
    ]


def test_a_broken_flow_is_not_told_again_where_it_is_referred_to(tmp_path: Path) -> None:
    found = faults(tmp_path, {FILE: field("nmae: {}"), "flows/order.yaml": ORDER + "customer: {}\n"})
    assert [line.split(" ")[0] for line in found] == [f"{FILE}:5:3:"]


def test_two_flows_of_one_name(tmp_path: Path) -> None:
    assert faults(tmp_path, {"flows/a.yaml": CUSTOMER, "flows/b.yaml": CUSTOMER}) == [
        "flows/b.yaml:1:7: Flow 'customer' exists already in flows/a.yaml:1:7. "
        "To change a pack's flow add 'extends: PACK/FLOW'."
    ]


def test_a_system_without_a_default_mapping(tmp_path: Path) -> None:
    product = "flow: product\nentity: Product\nsystems: {crm: {}, erp: {}}\nfields: {sku: {}}\n"
    assert faults(tmp_path, {"flows/p.yaml": product}) == [
        "flows/p.yaml:3:11: System 'crm' (somecrm) has no default mapping for Product. Say which 'resource' holds it."
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entity: customer\nfields: {a: text}", "1:9: 'customer' cannot be an entity. Use a name such as Machine."),
        ("fields: {a: text}", "1:1: The file does not say which entity it is about. Add 'entity: NAME'."),
        ("entity: Machine", "1:9: The file adds nothing to 'Machine'. Add 'fields: {NAME: TYPE}'."),
        ("entity: Machine\nfeilds: {a: text}", "2:1: Unknown key of an entity file 'feilds'. Did you mean 'fields'?"),
        ("entity: Customer\nfields: {name: text}", "2:10: 'Customer' has a field 'name' already (text)."),
        (
            "entity: Machine\nfields: {A: text}",
            "2:10: 'A' cannot be a field. Use a-z, 0-9 and _, starting with a letter.",
        ),
        ("entity: Machine\nfields: {a: txet}", "2:13: Unknown type 'txet'. Did you mean 'text'?"),
        (
            "entity: Machine\nfields: {a: {lst: text}}",
            "2:14: Unknown key of a field's type 'lst'. Did you mean 'list'?",
        ),
        (
            "entity: Machine\nfields: {a: {}}",
            "2:13: A type is a word, {list: TYPE}, {ref: Entity} or {struct: {part: TYPE}}.",
        ),
        ("entity: Machine\nfields: {a: {ref: Custmer}}", "2:19: Unknown entity 'Custmer'. Did you mean 'Customer'?"),
        (
            "entity: Machine\nfields: {a: {list: {ref: Custmer}}}",
            "2:26: Unknown entity 'Custmer'. Did you mean 'Customer'?",
        ),
    ],
)
def test_a_wrong_entity(tmp_path: Path, text: str, message: str) -> None:
    assert faults(tmp_path, {"entities/e.yaml": text + "\n"})[0] == f"entities/e.yaml:{message}"


PAIR = """\
from isthmus.project.code import converter

@converter("{name}")
def get(value):
    return value
"""
INVERSE = "\n@get.inverse\ndef put(value):\n    return value\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "1:7: Not valid Python: invalid syntax."),
        ("import os\n\ndef f():\n    return {}['x']\n\nf()\n", "4:1: The file fails: KeyError: 'x'"),
        ("import nothing_like_this\n", "1:1: The file fails: ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("x = '\x00'\n", "0: Not valid Python"),
        (PAIR.format(name="vat"), "3:1: Converter 'vat' has no way back. Declare it with @<get>.inverse."),
        (PAIR.format(name="text") + INVERSE, "3:1: 'text' is a built-in converter. Give yours another name."),
        (
            PAIR.format(name="My VAT") + INVERSE,
            "3:1: 'My VAT' cannot be a converter. Use a-z, 0-9 and _, starting with a letter.",
        ),
    ],
)
def test_wrong_code(tmp_path: Path, text: str, message: str) -> None:
    [found] = faults(tmp_path, {"code/vat.py": text})
    if message.startswith("0:"):
        assert "Not valid Python" in found
    else:
        assert found == f"code/vat.py:{message}"


def test_two_converters_of_one_name(tmp_path: Path) -> None:
    text = PAIR.format(name="vat") + INVERSE
    found = faults(tmp_path, {"code/a.py": text, "code/b.py": text})
    assert found == ["code/b.py:3:1: There are two converters named 'vat'."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Custmer: {}\n", "1:1: Unknown entity 'Custmer'. Did you mean 'Customer'?"),
        ("Customer: {resource: a}\n", "1:1: 'Customer' needs 'resource' and 'fields'."),
        (
            "Customer: {resource: a, fields: {nmae: b}}\n",
            "1:34: Unknown key of fields of 'Customer' 'nmae'. Did you mean 'name'?",
        ),
        (
            "Customer: {resource: a, fields: {name: {path: b, as: integer}}}\n",
            "1:54: Converter 'integer' cannot give a "
            "field of type text. Possible: text, lowercase, uppercase, digits, compact, phone, country, language, "
            "currency, choice.",
        ),
        ("Customer: {resorce: a, fields: {}}\n", "1:12: Unknown key of 'Customer' 'resorce'. Did you mean 'resource'?"),
    ],
)
def test_a_wrong_default_mapping(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(ProjectErrors) as caught:
        load_default_mapping(path)
    assert str(caught.value.errors[0]) == f"mapping.yaml:{message}"
