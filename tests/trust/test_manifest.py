import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.trust import manifest as module
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.manifest import (
    Difference,
    Entry,
    Manifest,
    check_file,
    check_folder,
    check_path,
    compare,
    digest_beneath,
    from_json,
    manifest_of,
    to_json,
    tree_beneath,
)

NAMES = st.text("abcdefgh.-_é", min_size=1, max_size=6).filter(
    lambda name: name not in {".", ".."} and unicodedata.is_normalized("NFC", name)
)


def write(root, files):
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, {"b.txt": b"b", "a/z.bin": b"zz", "a/y/x": b""})


def test_a_manifest_names_every_file_in_order(folder):
    manifest = manifest_of(folder)
    assert [entry.path for entry in manifest.entries] == ["a/y/x", "a/z.bin", "b.txt"]
    assert manifest.entries[1] == Entry(path="a/z.bin", digest=digest_bytes(b"zz"), size=2)
    assert manifest.size == 3


def test_the_root_changes_with_every_part_of_an_entry(folder):
    before = manifest_of(folder).root
    (folder / "b.txt").write_bytes(b"c")
    changed = manifest_of(folder).root
    (folder / "b.txt").rename(folder / "c.txt")
    assert len({before, changed, manifest_of(folder).root}) == 3


def test_empty_folders_and_modes_are_no_part_of_it(folder):
    before = manifest_of(folder)
    (folder / "empty").mkdir()
    (folder / "b.txt").chmod(0o700)
    assert manifest_of(folder) == before


def test_an_empty_folder_has_a_manifest(tmp_path):
    assert manifest_of(tmp_path) == Manifest(entries=())
    assert from_json(to_json(manifest_of(tmp_path))) == Manifest(entries=())


def test_a_list_of_paths_limits_the_manifest(folder):
    manifest = manifest_of(folder, ["b.txt", "a/z.bin"])
    assert [entry.path for entry in manifest.entries] == ["a/z.bin", "b.txt"]


def test_the_same_path_twice_is_refused(folder):
    with pytest.raises(ArtifactError, match="may be one"):
        manifest_of(folder, ["b.txt", "b.txt"])


@given(st.dictionaries(NAMES, st.binary(max_size=20), max_size=6))
def test_spelling_and_reading_gives_the_same_manifest(files):
    entries = sorted(
        (
            Entry(path=f"{index}{name}", digest=digest_bytes(data), size=len(data))
            for index, (name, data) in enumerate(files.items())
        ),
        key=lambda entry: entry.path.encode(),
    )
    manifest = Manifest(entries=tuple(entries))
    assert from_json(to_json(manifest)) == manifest
    assert from_json(to_json(manifest)).root == manifest.root


@pytest.mark.parametrize("target", ["b.txt", "/etc/passwd", "../outside", "a", "nowhere"])
def test_a_link_anywhere_below_is_refused(folder, target):
    (folder / "a" / "link").symlink_to(target)
    with pytest.raises(ArtifactError, match="a/link"):
        manifest_of(folder)


def test_a_pipe_below_is_refused(folder):
    os.mkfifo(folder / "a" / "pipe")
    with pytest.raises(ArtifactError, match="a/pipe"):
        manifest_of(folder)


def test_the_folder_itself_may_be_reached_over_a_link(folder, tmp_path_factory):
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(folder)
    assert manifest_of(link) == manifest_of(folder)


def test_a_missing_folder_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError):
        manifest_of(tmp_path / "none")


def test_a_file_is_no_folder(folder):
    with pytest.raises(ArtifactError):
        manifest_of(folder / "b.txt")


def test_folders_too_deep_are_refused(tmp_path):
    deep = tmp_path.joinpath(*["d"] * (module.MAX_DEPTH + 1))
    deep.mkdir(parents=True)
    with pytest.raises(ArtifactError):
        manifest_of(tmp_path)
    (deep / "f").write_bytes(b"")
    with pytest.raises(ArtifactError):
        manifest_of(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a/../b",
        "..",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "\udcff",
        "x" * 5000,
        "/".join(["d"] * 80),
    ],
)
def test_paths_that_do_not_mean_the_same_everywhere_are_refused(path):
    with pytest.raises(ArtifactError):
        check_path(path)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_ordinary_paths_are_accepted(names):
    assert check_path("/".join(names)) == "/".join(names)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(ArtifactError, match="UTF-8"):
        manifest_of(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Model.onnx", "model.onnx"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("a/x", "A/X"),
        ("data", "data/x"),
        ("Data", "data/x"),
        ("data", "DATA/x/y"),
    ],
)
def test_two_paths_that_may_be_one_are_refused(one, other):
    rows = [
        {"path": path, "sha256": "0" * 64, "size": 0}
        for path in sorted((one, other), key=str.encode)
    ]
    with pytest.raises(ArtifactError, match="may be one"):
        from_json(canonical_json({"format": module.FORMAT, "files": rows}))


def test_collisions_on_disk_are_refused(tmp_path):
    write(tmp_path, {"Model": b"1", "model": b"2"})
    with pytest.raises(ArtifactError, match="may be one"):
        manifest_of(tmp_path)


ROW = {"path": "a", "sha256": "0" * 64, "size": 0}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"format": module.FORMAT},
        {"format": "other", "files": []},
        {"format": module.FORMAT, "files": {}},
        {"format": module.FORMAT, "files": [], "more": 1},
        {"format": module.FORMAT, "files": ["a"]},
        {"format": module.FORMAT, "files": [ROW | {"more": 1}]},
        {"format": module.FORMAT, "files": [ROW | {"path": 1}]},
        {"format": module.FORMAT, "files": [ROW | {"path": "../a"}]},
        {"format": module.FORMAT, "files": [ROW | {"sha256": "0" * 63}]},
        {"format": module.FORMAT, "files": [ROW | {"sha256": None}]},
        {"format": module.FORMAT, "files": [ROW | {"size": -1}]},
        {"format": module.FORMAT, "files": [ROW | {"size": True}]},
        {"format": module.FORMAT, "files": [ROW | {"size": 1.5}]},
        {"format": module.FORMAT, "files": [ROW, ROW]},
        {"format": module.FORMAT, "files": [ROW | {"path": "b"}, ROW]},
    ],
)
def test_bodies_that_are_no_manifest_are_refused(body):
    with pytest.raises(ArtifactError):
        from_json(canonical_json(body))


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_our_error(data):
    with pytest.raises(ArtifactError):
        from_json(data)


def test_too_many_files_are_refused(monkeypatch, folder):
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    with pytest.raises(ArtifactError, match="too many"):
        manifest_of(folder)


def test_comparison_names_added_removed_and_changed_files(folder):
    before = manifest_of(folder)
    write(folder, {"b.txt": b"B", "new": b""})
    (folder / "a/z.bin").unlink()
    difference = compare(before, manifest_of(folder))
    assert difference == Difference(added=("new",), removed=("a/z.bin",), changed=("b.txt",))
    assert str(difference) == "added new; removed a/z.bin; changed b.txt"
    assert not compare(before, before)
    assert str(compare(before, before)) == "none"


def test_an_unsigned_extra_file_is_refused(folder):
    manifest = manifest_of(folder)
    check_folder(folder, manifest)
    (folder / "extra.pkl").write_bytes(b"")
    with pytest.raises(TrustError) as caught:
        check_folder(folder, manifest)
    assert caught.value.found == "added extra.pkl"


def test_only_a_few_of_many_paths_are_named():
    paths = tuple(f"f{index}" for index in range(8))
    assert str(Difference(added=paths)) == "added f0, f1, f2, f3, f4 and 3 more"


def test_a_file_is_held_against_its_manifest(folder):
    manifest = manifest_of(folder)
    check_file(manifest, "b.txt", digest_bytes(b"b"))
    with pytest.raises(TrustError, match=r"b\.txt"):
        check_file(manifest, "b.txt", digest_bytes(b"c"))
    with pytest.raises(TrustError, match="not in the manifest"):
        check_file(manifest, "c.txt", digest_bytes(b"c"))


def test_one_file_is_digested_without_following_links_on_the_way(folder):
    assert digest_beneath(folder, "a/z.bin") == (digest_bytes(b"zz"), 2)
    (folder / "l").symlink_to("a")
    with pytest.raises(ArtifactError):
        digest_beneath(folder, "l/z.bin")
    with pytest.raises(ArtifactError):
        digest_beneath(folder, "../b.txt")
    with pytest.raises(UnavailableError):
        digest_beneath(folder, "none/z.bin")


def test_one_folder_is_listed_without_following_links_on_the_way(folder):
    assert tree_beneath(folder, "a") == manifest_of(folder / "a")
    (folder / "l").symlink_to("a")
    with pytest.raises(ArtifactError):
        tree_beneath(folder, "l/y")
