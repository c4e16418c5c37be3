"""The order of versions."""

from __future__ import annotations

import pytest

from hauberk.formats.versions import Version, version

ORDER = ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "2", "1!0.1"]


def test_versions_stand_in_the_order_of_pep_440():
    shuffled = [*ORDER[3:], *ORDER[:3]]
    assert sorted(shuffled, key=Version) == ORDER


@pytest.mark.parametrize("text", ["1.0", "1.0.0", "v1", "1.0+cpu"])
def test_spellings_of_one_version_are_equal(text):
    assert Version(text) == Version("1")
    assert hash(Version(text)) == hash(Version("1"))


@pytest.mark.parametrize("text", ["", "latest", "1..0", "one"])
def test_what_is_none_has_no_place(text):
    assert version(text) is None
