"""What every implementation of `Blobs` does. A new one adds a line to `WORLDS`."""

import errno
import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.core.ports import Blobs
from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.trust.blobs import GROUP, DirectoryBlobs, MemoryBlobs
from hauberk.trust.mirror import MirroredBlobs
from hauberk.trust.objects import ObjectBlobs, library


def memory_store():
    return library().store.MemoryStore()


def object_store(_path):
    return ObjectBlobs(memory_store(), label="memory")


def mirror(path):
    return MirroredBlobs(DirectoryBlobs(path / "b"), object_store(path))


WORLDS = {
    "memory": lambda _path: MemoryBlobs(),
    "directory": lambda path: DirectoryBlobs(path / "b"),
    "object store": object_store,
    "mirror": mirror,
}


S3 = pytest.param("s3", marks=pytest.mark.integration)


@pytest.fixture(params=[*sorted(WORLDS), S3])
def blobs(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3_backends").open_blobs()
    return WORLDS[request.param](tmp_path)


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_it_is_a_blobs(blobs):
    assert isinstance(blobs, Blobs)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(chunks=st.lists(st.binary(max_size=100), max_size=6))
def test_what_is_put_comes_back_under_its_digest(blobs, chunks):
    digest = blobs.put(iter(chunks))
    assert digest == digest_of(b"".join(chunks))
    assert b"".join(blobs.open(digest)) == b"".join(chunks)
    assert blobs.size(digest) == len(b"".join(chunks))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(data=st.binary(max_size=60), start=st.integers(0, 80), length=st.none() | st.integers(0, 80))
def test_a_range_is_what_a_slice_gives(blobs, data, start, length):
    digest = blobs.put([data])
    end = None if length is None else start + length
    assert b"".join(blobs.open(digest, start, end)) == data[start:end]


def test_a_blob_of_many_pieces_comes_back_whole(blobs):
    data = bytes(range(256)) * 4096 + b"tail"
    assert b"".join(blobs.open(blobs.put([data]))) == data


def test_putting_twice_keeps_one(blobs):
    assert blobs.put([b"a", b"b"]) == blobs.put([b"ab"])
    assert list(blobs.list()) == [digest_of(b"ab")]


def test_putting_many_gives_their_digests_in_order(blobs):
    items = [str(number).encode() for number in range(300)]
    assert blobs.put_all([item] for item in items) == tuple(map(digest_of, items))
    assert all(blobs.has(digest_of(item)) for item in items)


def test_the_list_is_in_order(blobs):
    for number in range(20):
        blobs.put([bytes([number])])
    assert list(blobs.list()) == sorted(digest_of(bytes([number])) for number in range(20))


def test_an_absent_blob_is_unavailable(blobs):
    digest = digest_of(b"absent")
    assert not blobs.has(digest)
    with pytest.raises(UnavailableError):
        b"".join(blobs.open(digest))
    with pytest.raises(UnavailableError):
        blobs.size(digest)


def test_a_deleted_blob_is_gone_and_deleting_again_does_nothing(blobs):
    digest = blobs.put([b"x"])
    blobs.delete(digest)
    blobs.delete(digest)
    assert not blobs.has(digest)
    assert list(blobs.list()) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sha256:",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "md5:" + "a" * 64,
        "sha256:" + "a" * 64 + "\n",
        "sha256:../../" + "a" * 58,
        "sha256:" + "٣" * 64,
    ],
)
def test_what_is_no_digest_is_refused(blobs, name):
    with pytest.raises(ArtifactError):
        blobs.has(name)
    with pytest.raises(ArtifactError):
        list(blobs.open(name))
    with pytest.raises(ArtifactError):
        blobs.delete(name)


def test_a_range_that_runs_backwards_is_refused(blobs):
    digest = blobs.put([b"abc"])
    with pytest.raises(UsageError):
        list(blobs.open(digest, 2, 1))
    with pytest.raises(UsageError):
        list(blobs.open(digest, -1))


def test_an_error_of_the_source_leaves_nothing(blobs):
    def source():
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        blobs.put(source())
    assert list(blobs.list()) == []


def test_an_intact_blob_passes_its_check(blobs):
    blobs.check(blobs.put([b"intact"]))


def test_a_mirror_keeps_bytes_that_were_hashed_before_in_both_places(tmp_path):
    near, far = DirectoryBlobs(tmp_path / "b"), object_store(tmp_path)
    digest = f"sha256:{hashlib.sha256(b'hashed').hexdigest()}"
    batch = MirroredBlobs(near, far).batch()
    batch.put(digest, b"hashed")
    batch.flush()
    assert b"".join(near.open(digest)) == b"".join(far.open(digest)) == b"hashed"


@pytest.mark.parametrize(
    "make", [lambda path: MemoryBlobs(), lambda path: DirectoryBlobs(path / "b")]
)
def test_a_batch_shows_nothing_before_it_is_flushed(tmp_path, make):
    blobs = make(tmp_path)
    batch, data = blobs.batch(), [b"%d" % number for number in range(2 * GROUP + 3)]
    for one in data:
        buffer = bytearray(one)
        batch.put(digest_of(one), memoryview(buffer))
        buffer[:] = bytes(len(buffer))  # whoever puts may use the memory again
    assert list(blobs.list()) == []
    batch.flush()
    assert [b"".join(blobs.open(digest_of(one))) for one in data] == data
    batch.put(digest_of(b"later"), b"later")
    batch.discard()
    batch.flush()
    assert not blobs.has(digest_of(b"later"))


@pytest.mark.parametrize("step", ["create", "write", "sync", "rename", "sync-folder"])
def test_a_batch_that_fails_leaves_nothing_half_written(tmp_path, step):
    def full(now):
        if armed and now == step:
            raise OSError(errno.ENOSPC, "full")

    armed = False
    blobs = DirectoryBlobs(tmp_path / "b", before=full)
    batch = blobs.batch()

    def keep():
        batch.put(digest_of(b"x"), b"x")
        batch.flush()

    armed = True
    with pytest.raises(UnavailableError):
        keep()
    batch.discard()
    armed = False
    for digest in blobs.list():
        blobs.check(digest)
    assert list((tmp_path / "tmp").iterdir()) == []
