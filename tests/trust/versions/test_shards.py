"""Shards verified while they are read, in groups and alone."""

import random

import pytest

from hauberk.errors import TrustError
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.versions.intake import take
from hauberk.trust.versions.shards import read_shards

SIZES = (300_000, 10, 400_000, 900_000, 1_500_000, 5, 7, 1_048_576, 0, 2_000_000)
"""Groups of several, shards larger than a group, one that fills it, an empty one."""


@pytest.fixture
def signed(tmp_path):
    folder, rng = tmp_path / "shards", random.Random(7)
    folder.mkdir()
    for number, size in enumerate(SIZES):
        (folder / f"part-{number:03d}").write_bytes(rng.randbytes(size))
    taken, _ = take(folder, MemoryBlobs(), indexed=False)
    return taken.files, folder


def test_every_shard_comes_once_in_the_signed_order(signed):
    files, folder = signed
    read = list(read_shards(files, folder))
    assert read == [(folder / file.path).read_bytes() for file in files]
    assert [len(data) for data in read] == list(SIZES)


@pytest.mark.parametrize("number", [0, 2, 4, 6, 7, 9])
def test_a_shard_with_one_other_bit_is_never_given(signed, number):
    files, folder = signed
    place = folder / files[number].path
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    given = []
    with pytest.raises(TrustError, match=files[number].path):
        given.extend(read_shards(files, folder))
    assert bytes(data) not in given


@pytest.mark.parametrize("change", ["cut", "lengthened", "removed", "added", "swapped"])
def test_a_set_that_is_not_the_signed_one_is_refused(signed, change):
    files, folder = signed
    place = folder / files[3].path
    if change == "cut":
        place.write_bytes(place.read_bytes()[:-1])
    elif change == "lengthened":
        place.write_bytes(place.read_bytes() + b"x")
    elif change == "removed":
        place.unlink()
    elif change == "added":
        (folder / "part-999").write_bytes(b"x")
    else:
        kept = place.read_bytes()
        place.write_bytes((folder / files[4].path).read_bytes())
        (folder / files[4].path).write_bytes(kept)
    with pytest.raises(TrustError):
        list(read_shards(files, folder))
