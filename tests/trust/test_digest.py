import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.trust.digest import (
    LEAF_BYTES,
    check,
    digest_and_size,
    digest_bytes,
    digest_file,
    digest_path,
    digest_stream,
    digest_tree,
    from_hex,
    hex_of,
    is_folder_name,
    leaf_hash,
    leaves_of,
    merkle_root,
    node_hash,
    open_regular,
    parse_digest,
)
from hauberk.trust.manifest import manifest_of


def recursive_root(leaves):
    """RFC 6962 section 2.1, as written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(recursive_root(leaves[:half]), recursive_root(leaves[half:]))


@given(st.integers(0, 70))
def test_the_merkle_root_is_that_of_rfc_6962(count):
    leaves = [leaf_hash(bytes([index])) for index in range(count)]
    assert merkle_root(leaves) == recursive_root(leaves)


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_borders_of_chunks_do_not_matter(chunks):
    assert digest_stream(chunks) == digest_bytes(b"".join(chunks))


def test_the_digest_is_plain_sha_256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_file(tmp_path / "f") == f"sha256:{expected}"
    assert digest_and_size(tmp_path / "f") == (digest_bytes(b"abc"), 3)
    assert hex_of(digest_bytes(b"abc")) == expected
    assert from_hex(expected) == digest_bytes(b"abc")


@pytest.mark.parametrize(
    "text", ["", "sha256:", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:" + "0" * 65, 7, None]
)
def test_other_spellings_of_digests_are_refused(text):
    with pytest.raises(ArtifactError, match="no digest"):
        parse_digest(text)


def test_a_digest_with_a_line_break_is_refused():
    with pytest.raises(ArtifactError):
        parse_digest("sha256:" + "0" * 64 + "\n")


def test_hex_that_is_not_text_is_refused():
    with pytest.raises(ArtifactError):
        from_hex(None)


def test_a_folder_has_the_digest_of_its_manifest(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert digest_path(tmp_path) == digest_tree(tmp_path) == manifest_of(tmp_path).root
    assert digest_path(tmp_path / "f") == digest_bytes(b"abc")


def test_names_of_folders_end_with_a_slash():
    assert is_folder_name("data/")
    assert not is_folder_name("data")


def test_a_link_to_a_file_or_folder_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "to_file").symlink_to("file")
    (tmp_path / "to_folder").symlink_to(tmp_path)
    for name in ("to_file", "to_folder"):
        with pytest.raises(ArtifactError, match="regular"):
            digest_path(tmp_path / name)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="regular"):
        digest_file(tmp_path / "pipe")


def test_a_socket_is_refused(tmp_path, monkeypatch):
    import socket

    monkeypatch.chdir(tmp_path)  # paths of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(ArtifactError, match="regular"):
            digest_file(tmp_path / "socket")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ArtifactError, match="regular"):
        digest_file(tmp_path)


def test_a_missing_file_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError) as caught:
        digest_file(tmp_path / "none")
    assert caught.value.subject == str(tmp_path / "none")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"one")

    def read_and_meddle():
        with open_regular(path):
            path.write_bytes(b"two, longer")

    with pytest.raises(TrustError, match="changed while"):
        read_and_meddle()


def test_restoring_times_does_not_hide_a_change(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"one")
    seen = path.stat()

    def read_and_meddle():
        with open_regular(path):
            path.write_bytes(b"two")
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))

    with pytest.raises(TrustError, match="changed while"):
        read_and_meddle()


def test_check_names_both_digests():
    one, two = digest_bytes(b"1"), digest_bytes(b"2")
    check(one, one, subject="f")
    with pytest.raises(TrustError) as caught:
        check(one, two, subject="f")
    assert (caught.value.found, caught.value.expected) == (one, two)


def test_leaves_name_the_piece_that_changed(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    data = bytearray(3 * LEAF_BYTES + 10)
    old.write_bytes(data)
    data[LEAF_BYTES + 5] = 1
    new.write_bytes(data)
    before, after = leaves_of(old), leaves_of(new)
    assert before.size == len(data)
    assert len(before.hashes) == 4
    assert before.differences(after) == ((LEAF_BYTES, 2 * LEAF_BYTES),)
    assert before.root != after.root
    assert before.differences(before) == ()


def test_leaves_name_what_was_appended(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"")
    new.write_bytes(b"abc")
    assert leaves_of(old).differences(leaves_of(new)) == ((0, 3),)
    assert leaves_of(new).hashes == (leaf_hash(b"abc"),)
