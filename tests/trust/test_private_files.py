import os

import pytest

from hauberk.errors import TrustError, UnavailableError
from hauberk.trust.private_files import check_private, create, is_there, make_folder, write


@pytest.fixture
def folder(tmp_path):
    make_folder(tmp_path / "a/b")
    return tmp_path / "a/b"


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def test_folders_are_closed_to_others_and_made_once(folder):
    make_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_new_file_is_whole_and_never_replaces(folder):
    assert create(folder / "f", b"one", 0o600)
    assert not create(folder / "f", b"two", 0o600)
    assert (folder / "f").read_bytes() == b"one"
    assert names(folder) == ["f"]


def test_writing_replaces_even_a_link_without_following_it(folder):
    (folder / "other").write_bytes(b"kept")
    (folder / "f").symlink_to("other")
    write(folder / "f", b"new", 0o600)
    assert (folder / "f").read_bytes() == b"new"
    assert (folder / "other").read_bytes() == b"kept"
    assert names(folder) == ["f", "other"]


def test_a_dangling_link_is_there(folder):
    (folder / "f").symlink_to("nowhere")
    assert is_there(folder / "f")
    assert not is_there(folder / "g")
    assert not is_there(folder / "g/h")


def test_what_cannot_be_looked_at_is_not_taken_for_absent(folder):
    write(folder / "file", b"", 0o600)
    with pytest.raises(UnavailableError, match="cannot be read or written"):
        is_there(folder / "file/inside")
    with pytest.raises(UnavailableError):
        is_there(folder / ("x" * 300))


def test_what_cannot_be_written_is_a_typed_error_and_leaves_nothing(folder):
    (folder / "taken").mkdir()
    with pytest.raises(UnavailableError, match="cannot be read or written"):
        write(folder / "taken", b"", 0o600)
    with pytest.raises(UnavailableError):
        create(folder / "missing/f", b"", 0o600)
    with pytest.raises(UnavailableError):
        make_folder(folder / "taken/../taken/" / ("x" * 300))
    assert names(folder) == ["taken"]


def test_only_private_files_of_the_owner_pass(folder):
    check_private(folder.stat(), folder, os.geteuid())
    for mode in (0o710, 0o701):
        folder.chmod(mode)
        with pytest.raises(TrustError, match="0700"):
            check_private(folder.stat(), folder, os.geteuid())
    folder.chmod(0o700)
    with pytest.raises(TrustError):
        check_private(folder.stat(), folder, os.geteuid() + 1)
