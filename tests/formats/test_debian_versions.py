"""The order of Debian's versions, with dpkg itself as the judge where it is there."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hauberk.formats.debian_versions import DebianVersion, debian_version

ORDERED = (
    "0~~", "0~", "0", "1.0~~", "1.0~~a", "1.0~beta1", "1.0-0~bpo1", "1.0", "1.0-1", "1.0-1+b1",
    "1.0-1+deb12u1", "1.0-1+deb12u2", "1.0-1.1", "1.0a", "1.0b", "1.0+dfsg-1", "1.1", "1.9", "1.10",
    "2:0.1", "10:0",
)  # fmt: skip


@pytest.mark.parametrize(("low", "high"), list(pairwise(ORDERED)))
def test_versions_come_in_this_order(low, high):
    assert DebianVersion(low) < DebianVersion(high)
    assert not DebianVersion(high) < DebianVersion(low)
    assert DebianVersion(low) != DebianVersion(high)


@pytest.mark.parametrize("text", ["", "a b", "1/2", "x:1", "9" * 400])
def test_what_is_no_version_has_no_place(text):
    assert debian_version(text) is None


WORD = st.text("0123456789abz.+~-", min_size=1, max_size=9).map(lambda word: f"1{word}")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is the judge")
@settings(max_examples=150, deadline=None)
@given(WORD, WORD)
def test_dpkg_agrees(one, two):
    assume(not one.endswith("-") and not two.endswith("-"))
    mine = DebianVersion(one) < DebianVersion(two)
    told = subprocess.run(["dpkg", "--compare-versions", one, "lt", two], check=False)
    assert mine == (told.returncode == 0)
    if one == two or DebianVersion(one) == DebianVersion(two):
        same = subprocess.run(["dpkg", "--compare-versions", one, "eq", two], check=False)
        assert same.returncode == 0


def test_no_revision_is_the_least_one():
    assert DebianVersion("1.0") == DebianVersion("1.0-0")
    assert DebianVersion("1.00") == DebianVersion("1.0")
    assert len({DebianVersion("1.00"), DebianVersion("1.0-0")}) == 1
