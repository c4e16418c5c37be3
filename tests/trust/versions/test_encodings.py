"""Parquet files are made again from rows, byte for byte, or kept by their pages."""

import dataclasses
import io
import json

import pytest

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, UnavailableError
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.versions import encodings
from hauberk.trust.versions.recipes import Keeper, Part, Recipe, read, writers

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
np = pytest.importorskip("numpy")

ROWS = 20_000


def table(seed=1, edits=0, cut=0):
    rng = np.random.default_rng(seed)
    columns = {
        "id": np.arange(ROWS),
        "age": rng.integers(0, 90, ROWS),
        "x": rng.normal(size=ROWS),
        "word": rng.choice(["a", 'b "quoted"', "c, with\na line", "ü"], ROWS).tolist(),
        "on": rng.integers(0, 2, ROWS).astype(bool),
        "label": rng.integers(0, 2, ROWS),
    }
    places = np.random.default_rng(7).choice(ROWS, edits, replace=False)
    columns["age"][places] += 900
    return pa.table(columns).slice(cut)


def written(rows, **how):
    sink = io.BytesIO()
    parquet.write_table(rows, sink, **how)
    return sink.getvalue()


def kept(blobs, data, base=None):
    known = {} if base is None else {part.digest: part for part in base.parts}
    keeper = Keeper(blobs, known)
    recipe = keeper.keep_rows(io.BytesIO(data), base)
    keeper.flush()
    return recipe, keeper.stored


HOW = {
    "as usual": {},
    "zstd": {"compression": "zstd"},
    "no compression": {"compression": "none"},
    "no dictionary": {"use_dictionary": False},
    "pages of the second kind": {"data_page_version": "2.0"},
    "groups": {"row_group_size": 7_000},
    "an older format": {"version": "1.0"},
}


@pytest.mark.parametrize("how", sorted(HOW))
def test_a_hundred_edits_cost_their_rows_and_come_back_byte_for_byte(how):
    blobs = MemoryBlobs()
    first, second = (written(table(edits=n), **HOW[how]) for n in (0, 100))
    base, _ = kept(blobs, first)
    recipe, cost = kept(blobs, second, base)
    assert b"".join(read(recipe, blobs)) == second
    assert cost < 6_000
    assert Recipe.of(recipe.rows()) == recipe


def test_rows_removed_and_edited_one_version_after_the_other():
    blobs, base = MemoryBlobs(), None
    for number in range(4):
        data = written(table(edits=50 * number, cut=number))
        base, cost = kept(blobs, data, base)
        assert b"".join(read(base, blobs)) == data
        assert number == 0 or cost < 20_000
    assert base.parts[0].depth == 3


def test_the_same_file_again_has_the_same_root():
    blobs = MemoryBlobs()
    base, _ = kept(blobs, written(table()))
    data = written(table(edits=100))
    once, _ = kept(blobs, data, base)
    again, _ = kept(blobs, data, once)
    assert again.root == once.root


ODD = {
    "another program": lambda: written(table(edits=100)).replace(
        b"parquet-cpp-arrow", b"parquet-cpp-other"
    ),
    "nested": lambda: written(pa.table({"a": [[n] for n in range(ROWS)]})),
    "nulls beside empty text": lambda: written(pa.table({"a": [None, ""] * ROWS})),
    "no rows": lambda: written(table().slice(ROWS)),
    "two columns of one name": lambda: written(
        pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"])
    ),
    "no Parquet": lambda: b"PAR1" + bytes(50_000),
}


@pytest.mark.parametrize("what", sorted(ODD))
def test_what_is_not_made_again_is_kept_by_its_pages(what):
    blobs = MemoryBlobs()
    base, _ = kept(blobs, written(table()))
    data = ODD[what]()
    recipe, _ = kept(blobs, data, base)
    assert b"".join(read(recipe, blobs)) == data


def edited():
    blobs = MemoryBlobs()
    base, _ = kept(blobs, written(table()))
    recipe, _ = kept(blobs, written(table(edits=100)), base)
    part = recipe.parts[0]
    head, _, patch = b"".join(blobs.open(part.patch)).partition(b"\n")
    return blobs, part, json.loads(head), patch


def with_head(blobs, part, head, patch):
    name = blobs.put((json.dumps(head).encode() + b"\n" + patch,))
    return Recipe((dataclasses.replace(part, patch=name),))


def test_a_version_by_another_writer_names_the_writer():
    blobs, part, head, patch = edited()
    head["encoding"] |= {"program": "1.0.0", "codec": "gzip"}
    with pytest.raises(UnavailableError, match=r"1\.0\.0") as caught:
        list(read(with_head(blobs, part, head, patch), blobs))
    assert "pip install pyarrow==1.0.0" in str(caught.value)


FORGED = {
    "codec": "lzma",
    "version": "9",
    "pages": "3.0",
    "program": "",
    "schema": "AAAA",
    "dictionary": 1,
    "by_content": None,
    "group_rows": -1,
    "extra": 1,
}


@pytest.mark.parametrize("key", sorted(FORGED))
def test_a_forged_encoding_is_refused(key):
    blobs, part, head, patch = edited()
    head["encoding"][key] = FORGED[key]
    with pytest.raises(HauberkError):
        list(read(with_head(blobs, part, head, patch), blobs))


@pytest.mark.parametrize("text", [0, 1, encodings.MAX_TEXT + 1, True, "5", None])
def test_a_forged_length_is_refused(text):
    blobs, part, head, patch = edited()
    head["text"] = text
    with pytest.raises(HauberkError):
        list(read(with_head(blobs, part, head, patch), blobs))


def test_a_base_that_is_no_parquet_is_refused():
    blobs, part, head, patch = edited()
    data = b"PAR1" + bytes(100)
    digest = Digest(blobs.put((data,)))
    head["bases"] = Recipe((Part(digest, len(data)),)).rows()
    with pytest.raises(HauberkError):
        list(read(with_head(blobs, part, head, patch), blobs))


def test_a_schema_that_unpacks_without_end_is_refused():
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(64 << 20), 9)).decode()
    document = {**encodings.recognised(written(table()))[0].document(), "schema": bomb}
    with pytest.raises(ArtifactError, match="encoding"):
        encodings.Encoding.of(document)


def test_the_writer_that_reading_needs_is_named_and_what_follows_by_pages_needs_none():
    blobs = MemoryBlobs()
    base, _ = kept(blobs, written(table()))
    by_rows, _ = kept(blobs, written(table(edits=100)), base)
    assert writers(base, blobs) == frozenset()
    assert writers(by_rows, blobs) == {pa.__version__}
    for data in (written(table(edits=100)), written(table(edits=101))):
        keeper = Keeper(blobs, {part.digest: part for part in by_rows.parts})
        recipe = keeper.keep(io.BytesIO(data), keeper.lasting(by_rows))
        keeper.flush()
        assert b"".join(read(recipe, blobs)) == data
        assert writers(recipe, blobs) == frozenset()
