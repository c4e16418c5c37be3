"""Patches make exactly what they were made for, and are bounded when they lie."""

import struct
import zlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.trust.versions import patches

BLOCKS = st.lists(st.sampled_from([b"abc\n", b"0,1.5,x\n" * 30, bytes(range(256)), b""]))


@given(BLOCKS, BLOCKS, st.binary(max_size=40))
def test_a_patch_makes_the_new_bytes_of_the_old(before, after, extra):
    old, new = b"".join(before), b"".join(after) + extra
    assert patches.apply(old, patches.make(old, new), len(new)) == new


def test_scattered_edits_of_other_lengths_cost_little():
    rng = Random(1)
    lines = [f"{number},{rng.random():.6f},{rng.randrange(9)}\n" for number in range(20_000)]
    old = "".join(lines).encode()
    for number in rng.sample(range(20_000), 50):
        lines[number] = f"{number},fixed,{rng.randrange(10**6)}\n"
    del lines[777]
    new = "".join(lines).encode()
    patch = patches.make(old, new)
    assert patches.apply(old, patch, len(new)) == new
    assert len(patch) < len(new) // 100


@pytest.mark.parametrize(
    "packed",
    [
        struct.pack("<iII", 0, 9, 0),  # copies more than there is
        struct.pack("<iII", 0, 0, 9) + b"abc",  # a literal cut short
        struct.pack("<iII", -1, 4, 0),  # copies from before the beginning
        struct.pack("<iI", 0, 3),  # a step cut short
        struct.pack("<iII", 0, 3, 0) + struct.pack("<iII", -3, 3, 0),  # makes too much
        b"",  # makes nothing
    ],
)
def test_a_lying_patch_is_refused(packed):
    with pytest.raises(ArtifactError):
        patches.apply(b"abc", zlib.compress(packed), 4)


def test_a_patch_that_expands_without_bound_is_refused():
    with pytest.raises(ArtifactError):
        patches.apply(b"", zlib.compress(bytes(20 << 20)), 10)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_or_make_the_promised_length(data):
    try:
        made = patches.apply(b"old bytes", data, 5)
    except ArtifactError:
        return
    assert len(made) == 5
