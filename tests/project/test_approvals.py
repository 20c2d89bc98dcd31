"""``approvals.yaml`` and ``[mail]``: what they mean, and every fault with its place."""

from decimal import Decimal
from pathlib import Path

import pytest

from isthmus.desk.approval_rules import Conditions, Need, Person, Range, Rule, Seat, Stage
from tests.project.folder import ENVIRON, SETTINGS, faults, load

GOOD = """\
currency: EUR
teams:
  sales: [Anna@acme.example, ben@acme.example]
people:
  anna@acme.example: {name: Anna, language: zh}
rules:
  - rule: small
    document: SalesOrder
    when: {amount: {from: 10, below: 1000.50}, discount: {below: 5%}, margin: {from: -1%}, level: station, role: [a, b]}
    ask: nobody
  - rule: all
    document: SalesOrder
    four_eyes: false
    ask:
      - {stage: one, who: [sales, Boss@acme.example], need: all, within: 90m, escalate: boss@acme.example}
"""

MAIL = SETTINGS + '\n[mail]\nsmtp = "localhost:25"\nsender = "A <a@acme.example>"\n'


def test_rules_mean_what_they_say(tmp_path: Path) -> None:
    approvals = load(tmp_path, {"approvals.yaml": GOOD}).approvals
    assert approvals is not None
    assert approvals.people == {"anna@acme.example": Person(name="Anna", language="zh")}
    boss = Seat("boss@acme.example", ("boss@acme.example",))
    sales = Seat("sales", ("anna@acme.example", "ben@acme.example"))
    when = Conditions(
        amount=Range(Decimal(10), Decimal("1000.50")),
        discount=Range(None, Decimal("0.05")),
        margin=Range(Decimal("-0.01")),
        levels=("station",),
        roles=("a", "b"),
    )
    stage = Stage(name="one", seats=(sales, boss), need=Need.ALL, within=5400.0, escalate=(boss,))
    assert approvals.rules == (
        Rule(name="small", document="SalesOrder", when=when),
        Rule(name="all", document="SalesOrder", stages=(stage,), four_eyes=False),
    )


def test_a_project_without_the_file_has_no_approvals(tmp_path: Path) -> None:
    project = load(tmp_path, {})
    assert project.approvals is None
    assert project.mail is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("currency: EUR", "curency: EUR", "1:1: Unknown key of approvals.yaml 'curency'. Did you mean 'currency'?"),
        ("currency: EUR", "currency: euro", "1:11: 'currency' must be a code of three letters, as in EUR."),
        ("[Anna@acme.example,", "[Anna,", "3:11: 'Anna' is no login. Logins are mail addresses."),
        ("[Anna@acme.example, ben@acme.example]", "[]", "3:3: Team 'sales' has no members."),
        ("language: zh", "language: de", "5:45: Unknown language 'de'. Known: en, zh."),
        (
            "document: SalesOrder\n    when",
            "document: Order\n    when",
            "8:15: Unknown document 'Order'. Did you mean ",
        ),
        ("ask: nobody", "ask: somebody", "10:10: 'ask' must be nobody, or stages. As in - {stage: lead, who: sales}."),
        ("ask: nobody", "aks: nobody", "7:5: The rule has no 'ask'."),
        ("below: 5%", "below: five", "9:66: 'five' must be a share such as 15% or 0.15."),
        ("below: 5%", "below: 15", "9:66: '15' is more than all of it. Write 15% or 0.15."),
        ("below: 1000.50", "below: 10", "9:20: 'amount' from 10 below 10: no number is there."),
        ("{from: 10, below: 1000.50}", "{}", "9:20: 'amount' must say from or below. As in amount: {below: 1000}."),
        ("level: station", "level: shop", "9:99: Unknown level 'shop'."),
        ("[sales, Boss", "[sails, Boss", "15:28: Unknown team 'sails'. Did you mean 'sales'?"),
        ("need: all", "need: most", "15:61: Unknown need 'most'."),
        ("within: 90m", "within: soon", "15:74: 'within' must be a time such as 30m, 8h or 2d, at most a year."),
        ("within: 90m, ", "", "15:66: 'escalate' needs a deadline. Add a line such as 'within: 2d'."),
        ("rule: all", "rule: small", "11:11: There are two rules 'small'."),
    ],
)
def test_every_fault_has_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = faults(tmp_path, {"approvals.yaml": GOOD.replace(old, new, 1)})
    assert any(line.startswith(f"approvals.yaml:{message}") for line in found), found


def test_a_rule_that_is_never_reached_is_a_fault(tmp_path: Path) -> None:
    more = GOOD + "  - rule: late\n    document: SalesOrder\n    ask: nobody\n"
    [found] = faults(tmp_path, {"approvals.yaml": more})
    assert found == "approvals.yaml:16:5: Rule 'late' is never reached: a rule above it fits every SalesOrder."


def test_mail_has_sane_defaults(tmp_path: Path) -> None:
    mail = load(tmp_path, {"isthmus.toml": MAIL}).mail
    assert mail is not None
    assert (mail.host, mail.port, mail.tls, mail.language) == ("localhost", 25, "starttls", "en")
    assert (mail.sender, mail.domain, mail.bounces_to) == ("A <a@acme.example>", "acme.example", "a@acme.example")
    assert mail.mailbox is None


def test_a_bounce_mailbox(tmp_path: Path) -> None:
    text = MAIL + 'imap = "[::1]:993"\nimap_user = "b"\nimap_password = "env:MAIL"\nbounces_to = "b@acme.example"\n'
    mail = load(tmp_path, {"isthmus.toml": text}, {**ENVIRON, "MAIL": "hunter2"}).mail
    assert mail is not None
    assert mail.mailbox is not None
    assert (mail.mailbox.host, mail.mailbox.port, mail.mailbox.folder) == ("::1", 993, "INBOX")
    assert mail.bounces_to == "b@acme.example"
    assert "hunter2" not in repr(mail) + repr(mail.mailbox)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('smtp = "localhost:25"', 'smtp = "localhost"', "14:8: 'smtp' must be HOST:PORT, as in mail.example.com:587."),
        ('smtp = "localhost:25"\n', "", "13:1: [mail] has no 'smtp'."),
        ("A <a@acme.example>", "A", "15:10: 'sender' must hold a mail address."),
        ("\nsender", '\npassword = "x"\nsender', "15:12: 'password' holds a password. Write env:NAME or file:PATH"),
        (
            '"localhost:25"',
            '"mail.acme.example:25"\ntls = "none"\npassword = "env:MAIL"',
            "16:12: A password is never sent unencrypted. Use starttls or tls.",
        ),
        ("\nsender", '\nimap = "h:1"\nsender', "15:8: 'imap' needs imap_user and imap_password."),
        ("\nsender", '\ntls = "ssl"\nsender', "15:7: Unknown tls 'ssl'."),
    ],
)
def test_faults_of_mail(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MAIL
    text = MAIL.replace(old, new, 1)
    found = faults(tmp_path, {"isthmus.toml": text}, {**ENVIRON, "MAIL": "hunter2"})
    assert any(line.startswith(f"isthmus.toml:{message}") for line in found), found
