"""Bring the catalogues of console and shop up to date: every text of templates and terms, with the translations they
have."""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from isthmus.console.terms import FIELDS, TERMS
from isthmus.console.values import PROCESSES, WORDS

CONSOLE = Path(__file__).resolve().parent.parent / "src" / "isthmus" / "console"
PORTAL = CONSOLE.parent / "portal"
OPTIONS = {"extensions": "jinja2.ext.do", "newstyle_gettext": "true", "trimmed": "false"}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def texts() -> list[str | tuple[str, ...]]:
    """Every text that people may see, in the order of the files."""
    found: list[str | tuple[str, ...]] = []
    for path in sorted((CONSOLE / "templates").glob("*.html")):
        with path.open("rb") as file:
            for _, message, _, _ in extract("jinja2.ext:babel_extract", file, KEYWORDS, (), OPTIONS):
                found.append(message if isinstance(message, str) else tuple(message[:2]))
    with (CONSOLE / "showing.py").open("rb") as file:
        for _, message, _, _ in extract("python", file, KEYWORDS, (), {}):
            found.append(message if isinstance(message, str) else tuple(message[:2]))
    found += [*TERMS.values(), *WORDS.values(), *PROCESSES.values()]
    found += [f"field:{name}" for name in FIELDS]
    return [text for text in dict.fromkeys(found) if text not in ("", "field:")]


def shop_texts() -> list[str]:
    """Every text of the shop."""
    found: list[str] = []
    for path in sorted((PORTAL / "templates").glob("*.html")):
        with path.open("rb") as file:
            found += [str(one[1]) for one in extract("jinja2.ext:babel_extract", file, KEYWORDS, (), OPTIONS)]
    return list(dict.fromkeys(found))


def main() -> None:
    """Rewrite each catalogue; say what has no translation."""
    missing = _rewrite(CONSOLE, texts()) + _rewrite(PORTAL, list(shop_texts()))
    sys.exit(1 if missing else 0)


def _rewrite(face: Path, wanted: list[str | tuple[str, ...]]) -> int:
    """How many have no translation."""
    missing = 0
    for path in sorted((face / "locales").glob("*/messages.po")):
        old = read_po(BytesIO(path.read_bytes()), locale=path.parent.name)
        new = Catalog(locale=path.parent.name, header_comment="", fuzzy=False)
        for text in wanted:
            known = old.get(text)
            new.add(text, known.string if known is not None else "")
            if known is None or not all([known.string] if isinstance(known.string, str) else known.string):
                missing += 1
                print(f"{path.parent.name}: {text!r}")
        out = BytesIO()
        write_po(out, new, width=120, omit_header=True, sort_output=False)
        head = f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Language: {path.parent.name}\\n"\n'
        head += '"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
        path.write_bytes(head.encode() + out.getvalue().lstrip())
    return missing


if __name__ == "__main__":
    main()
