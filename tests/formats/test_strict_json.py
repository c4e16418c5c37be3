"""The scan before the decoder."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats import strict_json
from hauberk.formats.strict_json import JsonLimits, decode

_LIMITS = JsonLimits()

_plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_keys = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=8
)
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), 1 << 63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_every_plain_document_means_what_the_standard_library_says(value):
    body = json.dumps(value, ensure_ascii=False).encode()
    if len(body) < 4000:
        assert decode(body, JsonLimits(max_depth=64)) == value


@given(_values)
def test_both_decoders_agree(value):
    body = json.dumps(value).encode()
    assert strict_json._decode_plainly(body) == strict_json._decoder()(body)


@given(st.binary(max_size=200) | st.text('{}[]":,\\u0d8 1eN-.', max_size=60).map(str.encode))
def test_any_bytes_end_in_a_value_or_an_artifact_error(body):
    try:
        decode(body, _LIMITS)
    except ArtifactError:
        return


@given(st.text('{}[]":,\\u0d8 1eN-.ab', max_size=60).map(str.encode))
def test_what_one_decoder_refuses_the_other_refuses_too(body):
    assert _accepts(strict_json._decode_plainly, body) == _accepts(strict_json._decoder(), body)


def _accepts(decoder, body: bytes) -> bool:
    try:
        decoder(body)
    except (ValueError, RecursionError):
        return False
    return True


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b'{"a":1,"a":2}', "no key stands twice in one object"),
        (b'{"x":{"a":1,"b":[1,2],"a":2}}', "no key stands twice in one object"),
        (b'{"\\u0061":1,"a":2}', "keys are written without escapes"),
        (b"[" * 17 + b"]" * 17, "nesting depth"),
        (b"[" * 100_000, "nesting depth"),
        (b"[1" + b"0" * 70 + b"]", "digits in a row"),
        (b'["' + b"a" * 70_000 + b'"]', "closed strings"),
        (b'["' + b"\\na" * 30_000 + b'"]', "size in bytes"),
        (b"[" + b"1," * 1_000_001 + b"1]", "number of values"),
        (b'["open', "closed strings"),
        (b"]", "JSON of RFC 8259"),
        (b"[NaN]", "JSON of RFC 8259"),
        (b"[Infinity]", "JSON of RFC 8259"),
        (b"[1e999]", "JSON of RFC 8259"),
        (b'["\\ud800"]', "JSON of RFC 8259"),
        (b'["\xff"]', "JSON of RFC 8259"),
        (b"\xef\xbb\xbf[]", "JSON of RFC 8259"),
        ('{"a":1}'.encode("utf-16"), "JSON of RFC 8259"),
        (b"[1] [2]", "JSON of RFC 8259"),
        (b"[1,]", "JSON of RFC 8259"),
        (b"", "JSON of RFC 8259"),
    ],
)
def test_a_refusal_names_the_rule(body, rule):
    with pytest.raises(ArtifactError) as caught:
        decode(body, _LIMITS)
    assert caught.value.rule == rule


def test_the_same_key_in_two_objects_is_no_duplicate():
    assert decode(b'[{"a":1},{"a":{"a":2}}]', _LIMITS) == [{"a": 1}, {"a": {"a": 2}}]


def test_brackets_and_quotes_inside_strings_do_not_count():
    assert decode(b'["[[[[[[[[[[[[[[[[[[[{\\"a\\":"]', _LIMITS) == ['[[[[[[[[[[[[[[[[[[[{"a":']


def test_a_string_value_followed_by_a_key_of_the_same_text_is_no_duplicate():
    assert decode(b'{"a":"b","b":"a"}', _LIMITS) == {"a": "b", "b": "a"}


def test_a_body_beyond_its_size_is_refused_unread():
    with pytest.raises(ArtifactError, match="size in bytes"):
        decode(b" " * 11, JsonLimits(max_bytes=10))


@pytest.mark.parametrize(
    ("body", "rule"),
    [(b"[{},{},{}]", "number of objects"), (b'{"a":1,"b":2,"c":3}', "number of keys")],
)
def test_objects_and_keys_are_counted(body, rule):
    with pytest.raises(ArtifactError, match=rule):
        decode(body, JsonLimits(max_objects=2, max_keys=2))


def test_a_message_repeats_only_short_plain_names():
    assert strict_json.shown("x" * 65) == "(65 characters not shown)"
    assert strict_json.shown("\x1b[2J") == "(4 characters not shown)"
    assert strict_json.shown("a_b-c.d") == "a_b-c.d"
