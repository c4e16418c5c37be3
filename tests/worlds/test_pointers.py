"""What every implementation of `Pointers` does. A new one adds a line to `WORLDS`."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hauberk.core.ports import Pointers
from hauberk.errors import TrustError, UsageError
from hauberk.trust.objects import ObjectPointers, library
from hauberk.trust.pointers import MAX_VALUE_BYTES, MemoryPointers, SqlitePointers
from hauberk.trust.postgres import Postgres, PostgresPointers

WORLDS = {
    "memory": lambda _path: MemoryPointers(),
    "sqlite": lambda path: SqlitePointers(path / "pointers.sqlite"),
    "object store": lambda _path: ObjectPointers(library().store.MemoryStore(), label="memory"),
}


S3 = pytest.param("s3", marks=pytest.mark.integration)


@pytest.fixture(params=[*sorted(WORLDS), "postgresql", S3])
def pointers(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3_backends").open_object_pointers()
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        return PostgresPointers(Postgres(server.address, schema=server.schema()))
    return WORLDS[request.param](tmp_path)


def test_it_is_a_pointers(pointers):
    assert isinstance(pointers, Pointers)


def test_a_name_that_was_never_set_is_none(pointers):
    assert pointers.get("head") is None


def test_a_value_comes_back_with_the_tag_of_its_swap(pointers):
    tag = pointers.swap("head", b"\x00one", expect=None)
    assert pointers.get("head").value == b"\x00one"
    assert pointers.get("head").tag == tag


def test_a_swap_with_an_old_tag_is_refused_and_writes_nothing(pointers):
    old = pointers.swap("head", b"one", expect=None)
    pointers.swap("head", b"two", expect=old)
    with pytest.raises(TrustError):
        pointers.swap("head", b"three", expect=old)
    assert pointers.get("head").value == b"two"


def test_creating_what_exists_is_refused(pointers):
    pointers.swap("head", b"one", expect=None)
    with pytest.raises(TrustError):
        pointers.swap("head", b"two", expect=None)


def test_swapping_what_does_not_exist_is_refused(pointers):
    with pytest.raises(TrustError):
        pointers.swap("head", b"one", expect="anything")
    assert pointers.get("head") is None


def test_a_removed_name_is_gone(pointers):
    tag = pointers.swap("head", b"one", expect=None)
    assert pointers.swap("head", None, expect=tag) is None
    assert pointers.get("head") is None
    assert list(pointers.list()) == []


def test_the_tag_of_a_removed_name_never_counts_again(pointers):
    tag = pointers.swap("head", b"one", expect=None)
    pointers.swap("head", None, expect=tag)
    pointers.swap("head", b"one", expect=None)
    with pytest.raises(TrustError):
        pointers.swap("head", b"two", expect=tag)


def test_the_list_is_sorted_and_filtered_by_prefix(pointers):
    for name in ("runs/b", "runs/a", "channels/loans/staging", "runsx"):
        pointers.swap(name, b"", expect=None)
    assert list(pointers.list()) == ["channels/loans/staging", "runs/a", "runs/b", "runsx"]
    assert list(pointers.list("runs/")) == ["runs/a", "runs/b"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/abs",
        "a/",
        "a//b",
        "a/../b",
        "A",
        "a b",
        "a\0",
        "a\n",
        "ä",
        "a" * 300,
        "a/.hidden",
        "a\\b",
        "a'; DROP TABLE pointers; --",
    ],
)
def test_a_name_that_could_be_a_trick_is_refused(pointers, name):
    with pytest.raises(UsageError):
        pointers.get(name)
    with pytest.raises(UsageError):
        pointers.swap(name, b"", expect=None)


def test_a_value_too_large_for_a_pointer_is_refused(pointers):
    with pytest.raises(UsageError):
        pointers.swap("head", bytes(MAX_VALUE_BYTES + 1), expect=None)
    assert pointers.get("head") is None


def test_of_many_swaps_at_once_exactly_one_wins_each_round(pointers):
    tag = pointers.swap("head", b"0", expect=None)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            results = list(pool.map(lambda who, tag=tag: _try(pointers, who, tag), range(8)))
            (tag,) = [result for result in results if result is not None]
    assert pointers.get("head").tag == tag


def _try(pointers, who, tag):
    try:
        return pointers.swap("head", str(who).encode(), expect=tag)
    except TrustError:
        return None


class PointersMachine(RuleBasedStateMachine):
    """All implementations without a server beside a dictionary: same values, same refusals."""

    names = st.sampled_from(["a", "a/b", "c"])

    @initialize()
    def start(self):
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.worlds = [world(Path(self.folder.name)) for world in WORLDS.values()]
        self.model = {}

    def teardown(self):
        self.folder.cleanup()

    @rule(name=names, value=st.none() | st.binary(max_size=8), fresh=st.booleans())
    def swap(self, name, value, fresh):
        for pointers in self.worlds:
            current = pointers.get(name)
            tag = current.tag if current and fresh else None
            allowed = current is None or fresh
            if allowed:
                pointers.swap(name, value, expect=tag)
            else:
                with pytest.raises(TrustError):
                    pointers.swap(name, value, expect=tag)
        if name not in self.model or fresh:
            self.model.update({name: value})
            self.model = {key: item for key, item in self.model.items() if item is not None}

    @rule()
    def compare(self):
        for pointers in self.worlds:
            found = {name: pointers.get(name).value for name in pointers.list()}
            assert found == self.model


TestPointersMachine = PointersMachine.TestCase
TestPointersMachine.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
