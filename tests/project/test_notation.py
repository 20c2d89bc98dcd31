"""The notations for paths and converters."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model.flow import Convert, Segment
from isthmus.project.notation import NotationError, parse_convert, parse_path, print_path

# Whatever a far system may call its fields; blanks at the ends are the one thing quotes are needed for and kept by.
names = st.text(min_size=1, max_size=12)
segments = (
    st.builds(Segment, names)
    | st.builds(Segment, names, st.integers(0, 10**6))
    | st.builds(Segment, names, st.none(), st.tuples(names, names))
)


@given(st.lists(segments, min_size=1, max_size=5).map(tuple))
def test_a_printed_path_reads_back_as_the_same(path: tuple[Segment, ...]) -> None:
    assert parse_path(print_path(path)) == path


def offset_of(read: Callable[[str], object], text: str) -> int | None:
    """Where the text is wrong; None when it is sound."""
    try:
        read(text)
    except NotationError as error:
        return error.offset
    return None


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_a_located_error(text: str) -> None:
    offset = offset_of(parse_path, text)
    if offset is None:
        assert parse_path(print_path(parse_path(text))) == parse_path(text)
    else:
        assert 0 <= offset <= len(text)


@given(st.text(max_size=40) | st.text('choice(=,) "\\ab', max_size=30).map(lambda text: f"choice({text})"))
def test_any_text_is_a_converter_or_a_located_error(text: str) -> None:
    offset = offset_of(parse_convert, text)
    if offset is None:
        assert parse_convert(text).name in text
    else:
        assert 0 <= offset <= len(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("name", (Segment("name"),)),
        ("custom_fields.erp_number", (Segment("custom_fields"), Segment("erp_number"))),
        ("addresses[0].city", (Segment("addresses", 0), Segment("city"))),
        ("identifiers[type=eu_vat].code", (Segment("identifiers", None, ("type", "eu_vat")), Segment("code"))),
        ("lines[kind=free text].x", (Segment("lines", None, ("kind", "free text")), Segment("x"))),
        ('"odd.name"["a b"="]"]', (Segment("odd.name", None, ("a b", "]")),)),
        ("Email__c", (Segment("Email__c"),)),
        ("名称.类型", (Segment("名称"), Segment("类型"))),
    ],
)
def test_paths(text: str, path: tuple[Segment, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "expected a field name"),
        ("a..b", 2, "expected a field name"),
        ("a.", 2, "expected a field name"),
        ("a[x]", 2, "'x' is no position"),
        ("a[-1]", 2, "'-1' is no position"),
        ("a[0", 3, "expected '=' or ']'"),
        ("a[b=c", 5, "expected ']'"),
        ("a[b=]", 4, "expected a value"),
        ("a b", 1, "unexpected ' '"),
        (" a", 0, "blanks around"),
        ('""', 0, "a field name is empty"),
    ],
)
def test_wrong_paths(text: str, offset: int, message: str) -> None:
    with pytest.raises(NotationError, match=message.replace("[", r"\[")) as caught:
        parse_path(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "convert"),
    [
        ("lowercase", Convert("lowercase")),
        ("ref(customer)", Convert("ref", ("customer",))),
        ("decimal( 2 )", Convert("decimal", ("2",))),
        ("choice(a=b, In Progress=open)", Convert("choice", (), (("a", "b"), ("In Progress", "open")))),
        ('choice("a,b"="c=d")', Convert("choice", (), (("a,b", "c=d"),))),
    ],
)
def test_converters(text: str, convert: Convert) -> None:
    assert parse_convert(text) == convert


@pytest.mark.parametrize("text", ["", "Upper", "choice(", "choice(a=)", "choice(a=b=c)", "ref()", "choice(a,,b)"])
def test_wrong_converters(text: str) -> None:
    with pytest.raises(NotationError):
        parse_convert(text)
