import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.trust.canonical import (
    MAX_DEPTH,
    MAX_INTEGER,
    canonical_json,
    parse_canonical,
    parse_json,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(VALUES)
def test_parsing_the_canonical_form_gives_the_value_back(value):
    assert parse_json(canonical_json(value)) == value


@given(VALUES)
def test_the_canonical_form_is_its_own_canonical_form(value):
    once = canonical_json(value)
    assert canonical_json(parse_canonical(once)) == once


@given(VALUES)
def test_any_json_reader_reads_the_canonical_form(value):
    assert json.loads(canonical_json(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_our_error(data):
    try:
        value = parse_json(data)
    except ArtifactError:
        return
    assert canonical_json(value)


@given(st.text(max_size=60), st.text(max_size=60))
def test_text_around_brackets_never_ends_in_a_traceback(left, right):
    try:
        parse_json(f'{left}[{{"{right}'.encode("utf-8", "replace"), max_depth=1)
    except ArtifactError:
        return
    pytest.fail("brackets were never closed")


# Appendix B of RFC 8785, where the integers are not beyond 2**53.
@pytest.mark.parametrize(
    ("bits", "spelling"),
    [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7FEFFFFFFFFFFFFF, "1.7976931348623157e+308"),
        (0x4340000000000000 - 1, "9007199254740991"),
        (0x44B52D02C7E14AF5, "9.999999999999997e+22"),
        (0x44B52D02C7E14AF6, "1e+23"),
        (0x44B52D02C7E14AF7, "1.0000000000000001e+23"),
        (0x444B1AE4D6E2EF4F, "9.999999999999999e+20"),
        (0x3EB0C6F7A0B5ED8C, "9.999999999999997e-7"),
        (0x3EB0C6F7A0B5ED8D, "0.000001"),
        (0x41B3DE4355555553, "333333333.3333332"),
        (0x41B3DE4355555557, "333333333.33333343"),
        (0xBECBF647612F3696, "-0.0000033333333333333333"),
        (0x43143FF3C1CB0959, "1424953923781206.2"),
    ],
)
def test_floats_are_spelt_as_rfc_8785_shows(bits, spelling):
    import struct

    value = struct.unpack(">d", struct.pack(">Q", bits))[0]
    assert canonical_json(value).decode() == spelling


@pytest.mark.parametrize("value", [2.0**53, 3.2e17, -1e20, 1e21])
def test_large_whole_floats_never_look_like_integers(value):
    assert b"e+" in canonical_json(value)
    assert parse_json(canonical_json(value)) == value


def test_keys_are_sorted_by_utf_16_code_units():
    # RFC 8785 section 3.2.3: U+1F600 (a surrogate pair) sorts before U+FB33
    keys = ["€", "\r", "\ufb33", "1", "😀", "\x80", "ö"]
    written = list(parse_json(canonical_json(dict.fromkeys(keys, 0))))
    assert written == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


def test_control_characters_are_escaped_as_rfc_8785_says():
    assert canonical_json('\x00\b\t\n\f\r\x1f"\\/\x7fé') == (
        '"\\u0000\\b\\t\\n\\f\\r\\u001f\\"\\\\/\x7fé"'.encode()
    )


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        "\ud800",
        {"\ud800": 1},
        {1: 1},
        {"a": {1, 2}},
        b"bytes",
        object(),
    ],
)
def test_values_without_a_spelling_are_refused(value):
    with pytest.raises(ArtifactError):
        canonical_json(value)


def test_deep_and_cyclic_values_are_refused():
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(ArtifactError, match="deep"):
        canonical_json(cycle)
    mapping: dict = {}
    mapping["a"] = mapping
    with pytest.raises(ArtifactError, match="deep"):
        canonical_json(mapping)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1,]",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b'{"a":1,"a":1}',
        b'[{"a":1,"b":{"x":1,"x":2}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"0." + b"1" * 500,
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b"01",
        b'"\n"',
        b"'a'",
    ],
)
def test_bytes_that_are_not_strict_json_are_refused(data):
    with pytest.raises(ArtifactError):
        parse_json(data)


def test_a_whole_surrogate_pair_in_escapes_is_read():
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


def test_depth_is_bounded_before_anything_is_parsed():
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    for data in (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 65 + b"]" * 65):
        with pytest.raises(ArtifactError, match="deep"):
            parse_json(data)


def test_brackets_inside_text_are_not_depth():
    text = '["' + r"\"[{" * 500 + '"]'
    assert parse_json(text.encode(), max_depth=1)


def test_size_is_bounded():
    with pytest.raises(ArtifactError, match="large"):
        parse_json(b"[1,2,3]", max_bytes=6)


def test_rows_of_tiny_values_are_bounded_by_number():
    assert parse_json(b"[" + b"1," * 500 + b"1]", max_bytes=1100)
    with pytest.raises(ArtifactError, match="too many values"):
        parse_json(b"[" + b"1," * 5000 + b"1]", max_bytes=16_000)


@pytest.mark.parametrize("data", [b'{"b":1,"a":2}', b"[1, 2]", b"1.0", b'"\\u0061"', b"1e5"])
def test_other_spellings_are_read_but_are_not_canonical(data):
    parse_json(data)
    with pytest.raises(ArtifactError, match="canonical"):
        parse_canonical(data)
