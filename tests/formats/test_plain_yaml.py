"""The part of YAML that is read, and what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats.plain_yaml import MAX_DEPTH, parse

LOCK = b"""\
# written by a machine
schema: '2.0'
stages:
  prep:
    cmd: python prep.py --very --long
      --going-on "and on"
    deps:
    - path: data/rows.csv
      md5: f69f5b72bc79a92dc70c63c9aa142e36
      size: 4
    params: {a: 1, b: [x, "y, z"]}
    outs: []
    note: |
      two
      lines
    empty:
    quoted: "a # b"
"""


def test_a_lock_file_is_read_with_every_scalar_as_text():
    stage = parse(LOCK, name="dvc.lock")["stages"]["prep"]
    assert stage["cmd"] == 'python prep.py --very --long --going-on "and on"'
    assert stage["deps"] == [
        {"path": "data/rows.csv", "md5": "f69f5b72bc79a92dc70c63c9aa142e36", "size": "4"}
    ]
    assert stage["params"] == {"a": "1", "b": ["x", "y, z"]}
    assert (stage["outs"], stage["empty"], stage["quoted"]) == ([], None, "a # b")
    assert stage["note"].split() == ["two", "lines"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x",
        "a: !!python/object/apply:os.system [true]",
        "a: 1\na: 2",
        "<<: {a: 1}",
        "? a\n: b",
        "a: 1\n  b: 2\n c: 3",
        "a:\n\tb: 1",
        "a: [1, 2",
        'a: "open',
        "a: {b: 1, b: 2}",
        "--- a\n--- b",
    ],
)
def test_more_of_yaml_is_refused(text):
    with pytest.raises(ArtifactError):
        parse(text.encode(), name="x")


def test_depth_is_bounded():
    text = "".join(" " * n + "a:\n" for n in range(MAX_DEPTH + 2))
    with pytest.raises(ArtifactError, match="YAML"):
        parse(text.encode(), name="x")
    with pytest.raises(ArtifactError):
        parse(b"- " * 500 + b"a", name="x")
    with pytest.raises(ArtifactError):
        parse(b"a: " + b"[" * 50_000, name="x")


@given(st.text(alphabet="ab: -\n'\"[]{}#|>&*!,\t", max_size=80))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ArtifactError):
        parse(text.encode(), name="x")
