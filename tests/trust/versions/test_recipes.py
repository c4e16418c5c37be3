"""Recipes: what goes in comes out, shared parts lie once, other bytes are refused."""

import io
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, TrustError
from hauberk.trust.blobs import DirectoryBlobs, MemoryBlobs
from hauberk.trust.versions import chunks
from hauberk.trust.versions.recipes import Keeper, Recipe, read


def kept(blobs, data, base=None):
    known = {} if base is None else {part.digest: part for part in base.parts}
    keeper = Keeper(blobs, known)
    recipe = keeper.keep(io.BytesIO(data), base)
    keeper.flush()
    return recipe


def stored(blobs):
    return sum(blobs.size(digest) for digest in blobs.list())


def rows(count, seed=1):
    rng = Random(seed)
    return [b"%d,%.6f,%d\n" % (n, rng.random(), rng.randrange(2)) for n in range(count)]


@given(st.binary(max_size=3000), st.binary(max_size=3000))
def test_both_versions_are_read_back(first, second):
    blobs = MemoryBlobs()
    one = kept(blobs, first)
    two = kept(blobs, second, one)
    assert b"".join(read(one, blobs)) == first
    assert b"".join(read(two, blobs)) == second
    assert Recipe.of(two.rows()) == two


def test_pieces_of_a_stream_are_the_stream_within_bounds():
    data = Random(2).randbytes(9 << 20)
    cut = [bytes(piece) for piece in chunks.pieces(io.BytesIO(data))]
    assert b"".join(cut) == data
    assert all(chunks.MIN_BYTES <= len(piece) <= chunks.MAX_BYTES for piece in cut[:-1])


def test_pieces_meet_again_behind_an_insertion():
    data = Random(3).randbytes(24 << 20)
    one = {bytes(piece) for piece in chunks.pieces(io.BytesIO(data))}
    other = {bytes(p) for p in chunks.pieces(io.BytesIO(data[:9] + b"inserted" + data[9:]))}
    assert len(one & other) >= len(one) // 2


@pytest.mark.parametrize("place", [0, 40_000, 119_999])
def test_an_inserted_row_costs_a_patch(place):
    lines = rows(120_000)
    blobs = MemoryBlobs()
    base = kept(blobs, b"".join(lines))
    before = stored(blobs)
    lines.insert(place, b"7,inserted,1\n")
    recipe = kept(blobs, b"".join(lines), base)
    assert b"".join(read(recipe, blobs)) == b"".join(lines)
    assert stored(blobs) - before < 2_000


def test_patches_do_not_pile_up_without_end():
    blobs = MemoryBlobs()
    lines = rows(5_000)
    recipe = kept(blobs, b"".join(lines))
    for number in range(30):
        lines[number * 100] = b"%d,edited,1\n" % number
        recipe = kept(blobs, b"".join(lines), recipe)
        assert recipe.parts[0].depth <= 12
    assert b"".join(read(recipe, blobs)) == b"".join(lines)


def test_a_changed_part_is_refused_with_its_range(tmp_path):
    blobs = DirectoryBlobs(tmp_path / "blobs")
    recipe = kept(blobs, Random(4).randbytes(3 << 20))
    path = blobs.path(recipe.parts[1].digest)
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    with pytest.raises(TrustError) as caught:
        list(read(recipe, blobs, subject="rows.csv"))
    assert caught.value.subject == "rows.csv"
    assert f"bytes {recipe.parts[0].size} to" in caught.value.expected


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.just("a" * 64),
        lambda inner: st.lists(inner, max_size=5),
    )
)
def test_foreign_recipes_are_refused_or_understood(value):
    try:
        recipe = Recipe.of(value)
    except ArtifactError:
        return
    assert Recipe.of(recipe.rows()) == recipe


def test_a_recipe_of_missing_parts_is_refused():
    recipe = Recipe.of([["a" * 64, 5]])
    with pytest.raises(HauberkError):
        list(read(recipe, MemoryBlobs()))
    assert recipe.root != Recipe.of([["a" * 64, 6]]).root
    assert isinstance(Digest(recipe.root), str)
