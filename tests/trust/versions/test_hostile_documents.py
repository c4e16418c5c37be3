"""Forged, malformed and foreign documents of data versions are refused with typed errors."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.core.ports import Pointer
from hauberk.errors import ArtifactError, HauberkError, TrustError, UsageError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.versions.lineage import logged, read_pointer
from hauberk.trust.versions.recipes import Recipe
from hauberk.trust.versions.versions import (
    File,
    Version,
    check_name,
    read_files,
    read_version,
    write_files,
)

HEX = "a" * 64
ONE = Recipe.of([[HEX, 5]])
VERSION = Version(
    name="rows",
    number=2,
    parent=ONE.root,
    root=ONE.root,
    files=ONE,
    n_files=1,
    size=5,
    created=1,
    tool_version="0.1.0",
    tags=("gold",),
)


def test_a_version_is_read_back():
    assert read_version(VERSION.to_bytes()) == VERSION


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": 1},  # the first has no parent
        {"number": True},
        {"number": "2"},
        {"parent": None},
        {"parent": "zz"},
        {"name": "../x"},
        {"name": "Rows"},
        {"format": "urn:other"},
        {"size": -1},
        {"size": 1.5},
        {"tags": ["12"]},
        {"tags": "gold"},
        {"files": [[HEX, -5]]},
        {"files": [[HEX, 5, HEX, 99]]},
        {"files": [[HEX.upper(), 5]]},
        {"label": 3},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_field_that_breaks_its_rule_is_refused(change):
    document = {**json.loads(VERSION.to_bytes()), **change}
    with pytest.raises((ArtifactError, UsageError)):
        read_version(canonical_json(document))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        VERSION.to_bytes() + b" ",
        b"\xef\xbb\xbf" + VERSION.to_bytes(),
        VERSION.to_bytes()[:-9],
        VERSION.to_bytes().replace(b'"number":2', b'"number":2,"number":2'),
        b'{"a":' * 100_000,
        b"[" * 1_000_000,
    ],
    ids=range(10),
)
def test_other_spellings_of_a_document_are_refused(data):
    with pytest.raises(HauberkError):
        read_version(data)


def files(*paths):
    return tuple(File(path=path, recipe=ONE) for path in paths)


def test_a_list_of_files_is_read_back_sorted():
    assert [file.path for file in read_files(write_files(files("b", "a/c")))] == ["a/c", "b"]


@pytest.mark.parametrize(
    "path", ["../up", "/etc/passwd", "a//b", "a/./b", "a\\b", "a\nb", "", "a/" * 70 + "b"]
)
def test_paths_that_lead_elsewhere_are_refused(path):
    with pytest.raises(ArtifactError):
        read_files(write_files(files(path)))


def test_a_list_that_is_not_sorted_or_names_a_file_twice_is_refused():
    one, other = write_files(files("a")), write_files(files("b"))
    for data in (other + one, one + one):
        with pytest.raises(ArtifactError, match="no part"):
            read_files(data)


@pytest.mark.parametrize("pair", [("A", "a"), ("a", "a/b"), ("\u00e9", "e\u0301")])
def test_two_paths_that_may_be_one_are_refused(pair):
    with pytest.raises(ArtifactError, match="may be one"):
        read_files(write_files(files(*pair)))


@given(st.binary(max_size=200))
def test_foreign_bytes_are_no_list_of_files(data):
    try:
        found = read_files(data)
    except HauberkError:
        return
    assert found == ()


class Told:
    """A log of such events."""

    def __init__(self, *events):
        self.events = events

    def records(self, start=0, end=None):
        return iter([json.dumps(e, separators=(",", ":")).encode() for e in self.events])


def event(number, name="rows"):
    digest = f"sha256:{HEX}"
    return {
        "kind": "data-version",
        "name": name,
        "number": number,
        "version": digest,
        "envelope": digest,
    }


@pytest.mark.parametrize("numbers", [(2,), (1, 1), (1, 3), (2, 1), (0, 1), (1, 2, 2)])
def test_numbers_with_gaps_or_repeats_are_refused(numbers):
    with pytest.raises(TrustError, match="one by one"):
        logged(Told(*map(event, numbers)), "rows")


def test_other_sets_and_other_events_do_not_count():
    log = Told(event(1), {"kind": "run"}, event(1, "other"), event(2), {"data-version": 1})
    assert [link.number for link in logged(log, "rows")] == [1, 2]


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'{"envelope":"x"}', b"\x00" * 5000])
def test_a_pointer_that_holds_something_else_is_refused(value):
    with pytest.raises(HauberkError):
        read_pointer(Pointer(value, "tag"))


@given(st.text(max_size=90))
def test_names_are_plain_or_refused(name):
    try:
        check_name(name)
    except UsageError:
        return
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")


def test_two_versions_differ_wherever_a_word_differs():
    digests = {
        replace(VERSION, **{word: "x"}).digest
        for word in ("origin", "licence", "message", "tool_version")
    }
    assert len({*digests, VERSION.digest}) == 5
