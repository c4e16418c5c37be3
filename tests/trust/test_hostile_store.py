"""A store that somebody else wrote to: typed errors, within bounds of time and memory."""

import contextlib
import os
import sqlite3
import threading
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError
from hauberk.trust.audit import Fault
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.checkpoint import Head, make_note
from hauberk.trust.client_state import SqliteClientState
from hauberk.trust.lock import turn
from hauberk.trust.log import Log, examine
from hauberk.trust.pointers import SqlitePointers
from hauberk.trust.store import Store

MAX_BYTES = 200 << 20


@pytest.fixture
def blobs(tmp_path):
    return DirectoryBlobs(tmp_path / "blobs")


@pytest.fixture
def blob(blobs):
    return blobs.put([b"content"])


@pytest.fixture
def path(tmp_path, blob):
    return tmp_path / "blobs" / blob[7:9] / blob[7:]


# Blobs -------------------------------------------------------------------------------------


def replaced(path, by):
    path.unlink()
    by(path)


SWAPS = {
    "a link to the same bytes": lambda path: path.symlink_to("../../same"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("name", sorted(SWAPS))
def test_something_else_in_place_of_a_blob_is_refused(tmp_path, blobs, blob, path, name):
    (tmp_path / "same").write_bytes(b"content")
    replaced(path, SWAPS[name])
    assert not blobs.has(blob)
    with pytest.raises(TrustError):
        list(blobs.open(blob))
    with pytest.raises(TrustError):
        blobs.check(blob)
    with pytest.raises(TrustError):
        blobs.size(blob)


def test_a_socket_in_place_of_a_blob_is_refused(blobs, blob, path, monkeypatch):
    import socket

    monkeypatch.chdir(path.parent)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        (path.parent / "s").rename(path)
        with pytest.raises(TrustError):
            list(blobs.open(blob))


@pytest.mark.parametrize("name", ["a link to the same bytes", "a pipe"])
def test_putting_again_mends_what_was_swapped(tmp_path, blobs, blob, path, name):
    (tmp_path / "same").write_bytes(b"content")
    replaced(path, SWAPS[name])
    assert blobs.put([b"content"]) == blob
    assert (b"".join(blobs.open(blob)), (tmp_path / "same").read_bytes()) == (b"content",) * 2


def test_putting_over_a_folder_is_refused(blobs, blob, path):
    replaced(path, lambda path: path.mkdir())
    with pytest.raises(TrustError):
        blobs.put([b"content"])


def test_a_fan_out_folder_that_is_a_link_is_neither_read_nor_written(tmp_path, blobs, blob, path):
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError):
        list(blobs.open(blob))
    with pytest.raises(TrustError):
        blobs.put([b"content"])
    assert list(blobs.list()) == []
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"conten", b"Content", b"content and more"])
def test_other_bytes_are_found_before_the_end_of_a_read(blobs, blob, path, content):
    path.write_bytes(content)
    with pytest.raises(TrustError, match="not those that were stored"):
        list(blobs.open(blob))
    with pytest.raises(TrustError):
        blobs.check(blob)


def test_the_last_piece_of_a_wrong_blob_is_never_handed_out(tmp_path):
    blobs = DirectoryBlobs(tmp_path / "blobs")
    data = bytes(1 << 20)
    digest = blobs.put([data])
    (path,) = (tmp_path / "blobs").glob("*/*")
    path.write_bytes(data[:-1] + b"\x01")
    got = []
    with pytest.raises(TrustError):
        got.extend(blobs.open(digest))
    assert sum(map(len, got)) < len(data)


def test_reading_a_huge_blob_takes_little_memory(blobs, blob, path):
    os.truncate(path, 64 << 20)
    tracemalloc.start()
    with pytest.raises(TrustError):
        for _ in blobs.open(blob):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_foreign_names_are_not_listed(tmp_path, blobs, blob, path):
    for name in ("x", "..x", "ab" * 32 + ".tmp", "AB" * 32, "cd" * 32):
        (path.parent / name).write_bytes(b"")
    (tmp_path / "blobs" / "zz").mkdir()
    (tmp_path / "blobs" / "file").write_bytes(b"")
    assert list(blobs.list()) == [blob]


# Databases ---------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path):
    SqlitePointers(tmp_path / "p").swap("head", b"value", expect=None)
    return tmp_path / "p"


def use(path):
    pointers = SqlitePointers(path, timeout_s=0.1)
    list(pointers.list())
    pointers.get("head")
    pointers.swap("new", b"value", expect=None)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data())
def test_a_changed_database_works_or_gives_a_typed_error(database, data):
    good = database.read_bytes()
    bad = bytearray(good)
    at = data.draw(st.integers(0, len(good) - 1))
    patch = data.draw(st.binary(min_size=1, max_size=16))
    bad[at : at + len(patch)] = patch
    database.write_bytes(bad)
    with contextlib.suppress(ArtifactError, UnavailableError, TrustError):
        use(database)
    database.write_bytes(good)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_database_cut_short_never_gives_a_wrong_value(database, share):
    good = database.read_bytes()
    database.write_bytes(good[: int(len(good) * share)])
    try:
        found = SqlitePointers(database).get("head")
        assert found is None or found.value == b"value"
    except (ArtifactError, UnavailableError):
        pass
    database.write_bytes(good)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON pointers BEGIN DELETE FROM pointers; END",
        "CREATE VIEW v AS SELECT * FROM pointers",
        "CREATE TABLE other (a)",
        "DROP TABLE pointers; CREATE TABLE pointers (name, value, tag)",
    ],
)
def test_a_database_with_another_schema_is_refused(database, statement):
    connection = sqlite3.connect(database)
    connection.executescript(statement)
    connection.close()
    with pytest.raises(ArtifactError, match="not one of ours"):
        use(database)


def test_a_database_of_something_else_is_refused(tmp_path):
    (tmp_path / "p").write_bytes(b"not a database" * 1000)
    with pytest.raises(ArtifactError, match="damaged"):
        use(tmp_path / "p")


def test_a_value_of_another_type_is_refused(database):
    connection = sqlite3.connect(database)
    connection.execute("UPDATE pointers SET value = 17")
    connection.commit()
    connection.close()
    with pytest.raises(ArtifactError, match="something else than bytes"):
        SqlitePointers(database).get("head")


def test_a_huge_database_of_nothing_is_refused_quickly(tmp_path):
    (tmp_path / "p").touch()
    os.truncate(tmp_path / "p", 1 << 36)
    with pytest.raises(ArtifactError):
        use(tmp_path / "p")


def test_a_huge_value_is_refused_within_memory(database):
    connection = sqlite3.connect(database)
    connection.execute("UPDATE pointers SET value = zeroblob(40000000)")
    connection.commit()
    connection.close()
    with pytest.raises(ArtifactError):
        SqlitePointers(database).get("head")


def test_a_database_that_is_a_link_is_refused(database, tmp_path):
    (tmp_path / "link").symlink_to(database)
    with pytest.raises(TrustError):
        use(tmp_path / "link")


def test_a_database_in_a_missing_folder_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError):
        use(tmp_path / "none" / "p")
    with pytest.raises(UnavailableError):
        SqlitePointers(tmp_path / "none" / "p", read_only=True).get("head")


def test_a_missing_database_names_nothing(tmp_path):
    pointers = SqlitePointers(tmp_path / "none", read_only=True)
    assert pointers.get("head") is None
    assert list(pointers.list()) == []
    assert not (tmp_path / "none").exists()


def test_a_database_that_stays_locked_is_unavailable(database):
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UnavailableError, match="another program"):
        use(database)
    holder.close()


def test_a_read_only_database_takes_no_swap(database):
    with pytest.raises(UnavailableError, match="permission"):
        SqlitePointers(database, read_only=True).swap("new", b"", expect=None)


def test_a_damaged_client_state_is_a_typed_error(tmp_path):
    (tmp_path / "s").write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(HauberkError):
        SqliteClientState(tmp_path / "s").get("alice", "key")


def test_a_name_with_signs_of_a_uri_opens_the_right_file(tmp_path):
    SqlitePointers(tmp_path / "a?mode=memory#x%20").swap("head", b"1", expect=None)
    assert (tmp_path / "a?mode=memory#x%20").exists()


# The log -----------------------------------------------------------------------------------


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(name=st.sampled_from(["segment", "heads", "nodes"]), content=st.binary(max_size=300))
def test_garbage_in_a_log_is_a_typed_error_or_is_found(tmp_path, name, content):
    log = Log.open(tmp_path / "log")
    good = {path: path.read_bytes() for path in (tmp_path / "log").iterdir() if path.is_file()}
    log.append([b"record"])
    target = {"segment": f"{0:020d}.segment", "heads": "heads", "nodes": "nodes"}[name]
    (tmp_path / "log" / target).write_bytes(content)
    examine(tmp_path / "log")
    with contextlib.suppress(ArtifactError, TrustError):
        list(Log.open(tmp_path / "log").records())
    for path in (tmp_path / "log").iterdir():
        if path.is_file():
            path.unlink()
    for path, data in good.items():
        path.write_bytes(data)


def test_a_log_of_enormous_files_is_refused_within_memory(tmp_path):
    Log.open(tmp_path / "log").append([b"record"])
    for name in (f"{0:020d}.segment", "nodes", "heads"):
        (tmp_path / "log" / name).touch()
        os.truncate(tmp_path / "log" / name, 1 << 30)
    tracemalloc.start()
    with pytest.raises(HauberkError):
        Log.open(tmp_path / "log")
    assert not examine(tmp_path / "log").is_clean
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_BYTES


def test_a_head_that_claims_an_enormous_size_takes_little_memory(tmp_path):
    Log.open(tmp_path / "log").append([b"record"])
    head = Head(origin="hauberk", size=1 << 60, root=bytes(32))
    note = make_note(head, lambda _text: b"\xe2\x80\x94 demo AAAAAAA=\n")
    (tmp_path / "log" / "heads").write_bytes(note + b"\n")
    os.truncate(tmp_path / "log" / "nodes", 1 << 36)
    (defect,) = examine(tmp_path / "log").defects
    assert (defect.fault, defect.first) == (Fault.TRUNCATED, 1)


@pytest.mark.parametrize("name", ["a link", "a pipe", "a folder"])
def test_a_segment_that_is_something_else_is_refused(tmp_path, name):
    Log.open(tmp_path / "log").append([b"record"])
    path = tmp_path / "log" / f"{0:020d}.segment"
    path.rename(tmp_path / "elsewhere")
    makers = {
        "a link": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
    }
    makers[name]()
    with pytest.raises(TrustError):
        Log.open(tmp_path / "log")
    assert not examine(tmp_path / "log").is_clean


def test_a_commit_that_lies_about_its_length_takes_little_memory(tmp_path):
    import struct
    import zlib

    Log.open(tmp_path / "log")
    path = tmp_path / "log" / f"{0:020d}.segment"
    salt = path.read_bytes()[22:38]
    head = struct.pack(">4sIQQ", b"HKc1", 1 << 20, 64 << 20, 0)
    with path.open("ab") as file:
        file.write(head + struct.pack(">I", zlib.crc32(salt + head)))
    os.truncate(path, 200 << 20)
    tracemalloc.start()
    log = Log.open(tmp_path / "log", read_only=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert log.size == 0
    assert peak < MAX_BYTES


def test_foreign_files_in_a_log_are_left_alone(tmp_path):
    Log.open(tmp_path / "log").append([b"record"])
    for name in ("x.segment", "1.segment", "٣" * 20 + ".segment", "note"):
        (tmp_path / "log" / name).write_bytes(b"x")
    assert list(Log.open(tmp_path / "log").records()) == [b"record"]


def test_a_lock_that_is_kept_for_too_long_is_unavailable(tmp_path):
    with (
        turn(tmp_path / "lock"),
        pytest.raises(UnavailableError, match="in use"),
        turn(tmp_path / "lock", timeout_s=0.01),
    ):
        pass


def test_readers_share_a_turn_and_writers_wait_for_it(tmp_path):
    (tmp_path / "lock").touch()
    done = threading.Event()

    def write():
        with turn(tmp_path / "lock"):
            done.set()

    with turn(tmp_path / "lock", shared=True), turn(tmp_path / "lock", shared=True):
        writer = threading.Thread(target=write)
        writer.start()
        assert not done.wait(0.05)
    assert done.wait(10)
    writer.join()


# Temporaries -------------------------------------------------------------------------------


def test_a_deep_folder_among_the_leftovers_is_swept(tmp_path):
    store = Store.open(tmp_path)
    deep = store.tmp
    for _ in range(50):
        deep /= "d"
        deep.mkdir()
    assert Store.open(tmp_path).recovered == ("d",)
    assert list(store.tmp.iterdir()) == []


def test_names_that_are_no_text_are_swept(tmp_path):
    store = Store.open(tmp_path)
    (store.tmp / os.fsdecode(b"\xff\n")).touch()
    Store.open(tmp_path)
    assert list(store.tmp.iterdir()) == []


def test_a_pipe_among_the_leftovers_does_not_stop_the_opening(tmp_path):
    os.mkfifo(Store.open(tmp_path).tmp / "pipe")
    assert Store.open(tmp_path).recovered == ("pipe",)
