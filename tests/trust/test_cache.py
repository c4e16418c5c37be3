"""Cached results: what was put comes back, what somebody else wrote does not."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.cache import MAX_PAYLOAD_BYTES, Cache, load_secret
from hauberk.trust.store import Store

RECIPE = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path)


@pytest.fixture
def cache(store):
    return Cache(store, bytes(32))


def entry_of(store):
    (path,) = (path for path in (store.root / "cache").rglob("*") if path.is_file())
    return path


def test_a_missing_entry_is_none(cache):
    assert cache.get(RECIPE) is None


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(payload=st.binary(max_size=200))
def test_what_was_put_comes_back(cache, payload):
    cache.put(RECIPE, payload)
    assert cache.get(RECIPE) == payload


def test_a_later_entry_replaces_an_earlier_one(cache):
    cache.put(RECIPE, b"old")
    cache.put(RECIPE, b"new")
    assert cache.get(RECIPE) == b"new"


def test_a_forgotten_entry_is_none(cache):
    cache.put(RECIPE, b"old")
    cache.forget(RECIPE)
    cache.forget(RECIPE)
    assert cache.get(RECIPE) is None


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(at=st.integers(0, 38), flip=st.integers(1, 255))
def test_any_changed_byte_is_a_forgery(store, cache, at, flip):
    cache.put(RECIPE, b"payload")
    data = bytearray(entry_of(store).read_bytes())
    data[at] ^= flip
    entry_of(store).write_bytes(data)
    with pytest.raises(TrustError):
        cache.get(RECIPE)


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 38])
def test_an_entry_cut_short_is_a_forgery(store, cache, kept):
    cache.put(RECIPE, b"payload")
    os.truncate(entry_of(store), kept)
    with pytest.raises(TrustError):
        cache.get(RECIPE)


def test_an_entry_of_somebody_else_is_a_forgery(store, cache):
    Cache(store, bytes([1] * 32)).put(RECIPE, b"evil")
    with pytest.raises(TrustError, match="run the step again"):
        cache.get(RECIPE)


def test_an_entry_moved_under_another_recipe_is_a_forgery(store, cache):
    cache.put(RECIPE, b"payload")
    target = store.root / "cache" / "cd"
    target.mkdir(mode=0o700)
    entry_of(store).rename(target / ("cd" * 32))
    with pytest.raises(TrustError):
        cache.get(OTHER)


def test_an_entry_of_impossible_size_is_a_forgery(store, cache):
    cache.put(RECIPE, b"payload")
    os.truncate(entry_of(store), 1 << 40)
    with pytest.raises(TrustError):
        cache.get(RECIPE)


def test_an_entry_that_is_a_link_is_a_forgery(store, cache, tmp_path):
    cache.put(RECIPE, b"payload")
    entry_of(store).rename(tmp_path / "elsewhere")
    (store.root / "cache" / "ab" / ("ab" * 32)).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError):
        cache.get(RECIPE)


@pytest.mark.parametrize("recipe", ["", "../../x", "sha256:" + "AB" * 32])
def test_what_is_no_digest_is_refused(cache, recipe):
    with pytest.raises(ArtifactError):
        cache.get(recipe)


def test_too_large_a_result_is_refused(cache):
    with pytest.raises(UsageError):
        cache.put(RECIPE, bytes(MAX_PAYLOAD_BYTES + 1))


def test_a_secret_of_another_length_is_refused(store):
    with pytest.raises(UsageError):
        Cache(store, b"short")


# The secret ----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_a_secret_is_made_once_and_private(tmp_path, project):
    first = load_secret(tmp_path / "config", project=project)
    assert load_secret(tmp_path / "config", project=project) == first
    assert len(first) == 32
    (path,) = (tmp_path / "config").iterdir()
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "config").lstat().st_mode) == 0o700


def test_two_folders_have_two_secrets(tmp_path, project):
    assert load_secret(tmp_path / "a", project=project) != load_secret(
        tmp_path / "b", project=project
    )


def test_many_that_make_it_at_once_agree(tmp_path, project):
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda _: load_secret(tmp_path / "config", project=project), range(16))
    assert len(set(made)) == 1


def test_a_secret_inside_the_project_is_refused(project):
    with pytest.raises(UsageError):
        load_secret(project / "config", project=project)
    assert not (project / "config").exists()


def test_a_secret_that_a_link_leads_into_the_project_is_refused(tmp_path, project):
    (tmp_path / "config").symlink_to(project)
    with pytest.raises(UsageError):
        load_secret(tmp_path / "config", project=project)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_secret_that_others_may_use_is_refused(tmp_path, project, mode):
    load_secret(tmp_path / "config", project=project)
    (tmp_path / "config" / "cache.secret").chmod(mode)
    with pytest.raises(TrustError):
        load_secret(tmp_path / "config", project=project)


def test_a_secret_of_another_user_is_refused(tmp_path, project):
    with pytest.raises(TrustError):
        load_secret(tmp_path / "config", project=project, owner=os.geteuid() + 1)


def test_a_secret_that_is_a_link_is_refused(tmp_path, project):
    (tmp_path / "config").mkdir()
    (tmp_path / "known").write_bytes(bytes(32))
    (tmp_path / "known").chmod(0o600)
    (tmp_path / "config" / "cache.secret").symlink_to(tmp_path / "known")
    with pytest.raises(TrustError):
        load_secret(tmp_path / "config", project=project)


@pytest.mark.parametrize("data", [b"", b"short", bytes(33)])
def test_a_file_that_is_no_secret_is_refused(tmp_path, project, data):
    load_secret(tmp_path / "config", project=project)
    (tmp_path / "config" / "cache.secret").write_bytes(data)
    with pytest.raises(ArtifactError):
        load_secret(tmp_path / "config", project=project)
