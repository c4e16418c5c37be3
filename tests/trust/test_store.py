"""The store of a project: its layout, what opening checks, and what it hands out."""

import os
import stat
import threading

import pytest

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path)


def test_opening_makes_the_layout_private(tmp_path):
    Store.open(tmp_path)
    root = tmp_path / ".hauberk"
    assert {path.name for path in root.iterdir() if path.is_dir()} == {
        "blobs",
        "log",
        "cache",
        "runs",
        "tmp",
    }
    assert {stat.S_IMODE(path.lstat().st_mode) for path in root.rglob("*")} == {0o700, 0o600}
    assert stat.S_IMODE(root.lstat().st_mode) == 0o700


def test_a_store_opens_again_with_what_it_held(tmp_path):
    store = Store.open(tmp_path)
    digest = store.blobs.put([b"kept"])
    store.pointers.swap("head", digest.encode(), expect=None)
    again = Store.open(tmp_path, create=False)
    assert b"".join(again.blobs.open(digest)) == b"kept"
    assert again.pointers.get("head").value == digest.encode()


def test_without_create_a_missing_store_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="hauberk init"):
        Store.open(tmp_path, create=False)
    assert not (tmp_path / ".hauberk").exists()


def test_it_keeps_itself_out_of_version_control(store):
    assert (store.root / ".gitignore").read_text() == "*\n"


def test_a_published_file_comes_back_with_its_digest(store, tmp_path):
    (tmp_path / "data.csv").write_bytes(b"a,b\n1,2\n")
    digest = store.publish_file(tmp_path / "data.csv")
    store.materialize(digest, tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == b"a,b\n1,2\n"


def test_publishing_many_files_keeps_their_order(store, tmp_path):
    paths = [tmp_path / f"{number}.txt" for number in range(5)]
    for path in paths:
        path.write_text(path.name)
    digests = store.publish_files(paths)
    assert [b"".join(store.blobs.open(digest)).decode() for digest in digests] == [
        path.name for path in paths
    ]


def test_a_link_is_not_published(store, tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(TrustError):
        store.publish_file(tmp_path / "link")


def test_a_pipe_is_refused_without_waiting_for_a_writer(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TrustError):
        store.publish_file(tmp_path / "pipe")


def test_writing_to_a_copy_does_not_touch_the_blob(store, tmp_path):
    digest = store.blobs.put([b"original"])
    store.materialize(digest, tmp_path / "copy")
    (tmp_path / "copy").write_bytes(b"scribble")
    store.blobs.check(digest)


def test_a_broken_blob_is_never_materialized(store, tmp_path):
    digest = store.blobs.put([b"original"])
    (path,) = (store.root / "blobs").glob("*/*")
    path.write_bytes(b"tampered")
    with pytest.raises(TrustError):
        store.materialize(digest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob(".hauberk-*"))


def test_a_blob_of_another_length_is_refused_before_it_is_read(store, tmp_path):
    digest = store.blobs.put([b"original"])
    (path,) = (store.root / "blobs").glob("*/*")
    os.truncate(path, 1 << 40)
    with pytest.raises(TrustError, match="another length"):
        store.materialize(digest, tmp_path / "copy", size=8)


def test_a_copy_replaces_a_link_instead_of_following_it(store, tmp_path):
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "copy").symlink_to(tmp_path / "victim")
    store.materialize(store.blobs.put([b"new"]), tmp_path / "copy")
    assert (tmp_path / "victim").read_text() == "safe"
    assert (tmp_path / "copy").read_text() == "new"


def test_a_record_is_written_whole_below_the_store(store):
    store.write(store.runs / "1" / "record.json", b"{}")
    assert (store.runs / "1" / "record.json").read_bytes() == b"{}"


@pytest.mark.parametrize("path", ["../outside", "runs/../../outside"])
def test_a_record_outside_the_store_is_refused(store, path):
    with pytest.raises(UsageError):
        store.write(store.root / path, b"{}")


def test_collecting_deletes_only_what_nobody_wants(store):
    wanted, orphan = store.blobs.put([b"wanted"]), store.blobs.put([b"orphan"])
    assert store.collect([wanted]) == (orphan,)
    assert list(store.blobs.list()) == [wanted]


# What opening refuses ------------------------------------------------------------------


def test_a_store_that_is_a_link_is_refused(tmp_path):
    Store.open(tmp_path)
    (tmp_path / ".hauberk").rename(tmp_path / "elsewhere")
    (tmp_path / ".hauberk").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError):
        Store.open(tmp_path)


@pytest.mark.parametrize("name", ["blobs", "log", "cache", "runs", "tmp"])
def test_a_folder_that_is_a_link_is_refused(tmp_path, name):
    root = Store.open(tmp_path).root
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError):
        Store.open(tmp_path)


def test_a_dangling_link_is_refused_and_nothing_is_made_behind_it(tmp_path):
    (tmp_path / ".hauberk").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TrustError):
        Store.open(tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_a_store_of_another_user_is_refused(tmp_path):
    Store.open(tmp_path)
    with pytest.raises(TrustError, match="another user"):
        Store.open(tmp_path, owner=os.geteuid() + 1)


@pytest.mark.parametrize(("name", "mode"), [(".", 0o777), (".", 0o770), ("log", 0o702)])
def test_a_store_that_others_may_write_to_is_refused(tmp_path, name, mode):
    root = Store.open(tmp_path).root
    (root / name).chmod(mode)
    with pytest.raises(TrustError, match="others may write"):
        Store.open(tmp_path)


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    (Store.open(tmp_path).root / "format").write_text("hauberk-store 2\n")
    with pytest.raises(UnavailableError, match="upgrade"):
        Store.open(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "other 1\n", "hauberk-store one\n", "hauberk-store ²\n", "\xff"]
)
def test_a_store_of_another_format_is_refused(tmp_path, text):
    (Store.open(tmp_path).root / "format").write_text(text)
    with pytest.raises(ArtifactError):
        Store.open(tmp_path)


def test_a_huge_format_file_is_refused(tmp_path):
    os.truncate(Store.open(tmp_path).root / "format", 1 << 40)
    with pytest.raises(ArtifactError):
        Store.open(tmp_path)


def test_a_foreign_folder_of_that_name_is_refused_and_left_alone(tmp_path):
    (tmp_path / ".hauberk").mkdir(mode=0o700)
    (tmp_path / ".hauberk" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError):
        Store.open(tmp_path)
    assert [path.name for path in (tmp_path / ".hauberk").iterdir()] == ["notes.txt"]


def test_a_store_that_lost_its_format_file_is_not_taken_for_a_new_one(tmp_path):
    store = Store.open(tmp_path)
    store.blobs.put([b"kept"])
    (store.root / "format").unlink()
    with pytest.raises(ArtifactError):
        Store.open(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_project_without_write_permission_is_unavailable_with_a_hint(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UnavailableError, match="write permission"):
        Store.open(tmp_path)
    tmp_path.chmod(0o700)


def test_reading_only_changes_nothing(tmp_path):
    store = Store.open(tmp_path)
    digest = store.blobs.put([b"kept"])
    store.pointers.swap("head", b"1", expect=None)
    (store.tmp / "leftover").write_text("x")
    before = sorted((path, path.lstat().st_mtime_ns) for path in store.root.rglob("*"))
    reader = Store.open(tmp_path, read_only=True)
    assert b"".join(reader.blobs.open(digest)) == b"kept"
    assert reader.pointers.get("head").value == b"1"
    assert sorted((path, path.lstat().st_mtime_ns) for path in store.root.rglob("*")) == before


# Leftovers -----------------------------------------------------------------------------


def test_leftovers_of_dead_writers_are_swept_and_named(tmp_path):
    store = Store.open(tmp_path)
    (store.tmp / "file").write_text("half")
    (store.tmp / "folder").mkdir()
    (store.tmp / "folder" / "inner").write_text("half")
    (store.tmp / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("safe")
    assert Store.open(tmp_path).recovered == ("file", "folder", "link")
    assert list(store.tmp.iterdir()) == []
    assert (tmp_path / "victim").read_text() == "safe"


def test_the_work_of_a_living_writer_is_not_swept(tmp_path):
    store = Store.open(tmp_path)
    writing, go_on = threading.Event(), threading.Event()

    def chunks():
        yield b"first "
        writing.set()
        go_on.wait(10)
        yield b"second"

    digests = []
    writer = threading.Thread(target=lambda: digests.append(store.blobs.put(chunks())))
    writer.start()
    writing.wait(10)
    assert Store.open(tmp_path).recovered == ()
    go_on.set()
    writer.join()
    assert b"".join(store.blobs.open(digests[0])) == b"first second"


def test_folders_that_a_step_closed_to_itself_are_swept(tmp_path):
    store = Store.open(tmp_path)
    inner = store.tmp / "left" / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.parent.chmod(0o500)
    (store.tmp / "left").chmod(0)
    (store.tmp / "file").write_text("x")
    (store.tmp / "file").chmod(0)
    assert Store.open(tmp_path).recovered == ("file", "left")
    assert list(store.tmp.iterdir()) == []


def test_a_scratch_folder_with_closed_folders_is_gone_after_its_block(tmp_path):
    store = Store.open(tmp_path)
    with store.scratch() as folder:
        (folder / "closed" / "inner").mkdir(parents=True)
        (folder / "closed").chmod(0o500)
    assert not folder.exists()


def test_a_scratch_folder_lives_through_an_opening_and_ends_with_its_block(tmp_path):
    store = Store.open(tmp_path)
    with store.scratch("step-") as folder:
        (folder / "file").write_text("x")
        Store.open(tmp_path)
        assert (folder / "file").read_text() == "x"
        assert folder.name.startswith("step-")
    assert not folder.exists()


# The lock ------------------------------------------------------------------------------


def test_a_second_run_is_refused_with_who_holds_the_store(tmp_path):
    with Store.open(tmp_path).lock():
        second = Store.open(tmp_path).lock(timeout_s=0)
        with pytest.raises(UnavailableError, match=f"process {os.getpid()}"), second:
            pass


def test_a_second_run_waits_and_says_so_once(tmp_path):
    store = Store.open(tmp_path)
    heard = []
    held, go_on = threading.Event(), threading.Event()

    def first():
        with store.lock():
            held.set()
            go_on.wait(10)

    def hear(message):
        heard.append(message)
        go_on.set()

    runner = threading.Thread(target=first)
    runner.start()
    held.wait(10)
    with Store.open(tmp_path).lock(timeout_s=10, waiting=hear):
        runner.join()
    assert len(heard) == 1
    assert f"process {os.getpid()}" in heard[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "[" * 5000, "\x1b[31m"])
def test_a_stale_lock_file_never_blocks_whatever_it_says(tmp_path, text):
    store = Store.open(tmp_path)
    (store.root / "lock").write_text(text)
    with store.lock(timeout_s=0):
        pass


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    store = Store.open(tmp_path)
    (store.root / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(TrustError), store.lock(timeout_s=0):
        pass
    assert not (tmp_path / "victim").exists()


# The log -------------------------------------------------------------------------------


def test_the_log_of_a_store_outlives_it(tmp_path):
    Store.open(tmp_path).log.append([b"event"])
    assert list(Store.open(tmp_path, read_only=True).log.records()) == [b"event"]


def test_a_copy_has_the_permissions_asked_for_less_the_umask(store, tmp_path):
    digest = store.blobs.put([b"tool"])
    before = os.umask(0o027)
    store.materialize(digest, tmp_path / "copy", mode=0o755)
    os.umask(before)
    assert stat.S_IMODE((tmp_path / "copy").lstat().st_mode) == 0o750
