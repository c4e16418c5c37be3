"""Servers that die, that others tampered with, that are full or are not there."""

import contextlib
import hashlib
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.worlds.servers import S3Server, wait_until

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.backends import Backends, of_project
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.mirror import MirroredBlobs
from hauberk.trust.objects import ObjectBlobs, ObjectPointers, library
from hauberk.trust.postgres import Postgres, PostgresPointers
from hauberk.trust.store import Store


def count_up(address, schema, acknowledged):
    """Add one again and again; say each value after it was acknowledged."""
    pointers = PostgresPointers(Postgres(address, schema=schema))
    while True:
        try:
            found = pointers.get("counter")
            value = 1 if found is None else int(found.value) + 1
            pointers.swap("counter", str(value).encode(), expect=found and found.tag)
        except TrustError:
            continue
        except UnavailableError:
            return
        acknowledged.put(value)


def test_what_postgresql_acknowledged_survives_its_death_and_nothing_is_counted_twice(postgres):
    schema = postgres.schema()
    context = multiprocessing.get_context("spawn")
    acknowledged = context.Queue()
    writers = [
        context.Process(target=count_up, args=(postgres.address, schema, acknowledged))
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    said = {acknowledged.get(timeout=60) for _ in range(40)}
    postgres.stop("immediate")
    for writer in writers:
        writer.join(60)
    while not acknowledged.empty():
        value = acknowledged.get()
        assert value not in said
        said.add(value)
    postgres.start()
    kept = int(PostgresPointers(Postgres(postgres.address, schema=schema)).get("counter").value)
    assert max(said) <= kept <= max(said) + len(writers)
    assert set(range(1, max(said))) - said <= set(range(max(said) - 1, kept + 1))


def test_a_table_with_a_trigger_of_somebody_else_is_refused(postgres):
    database = Postgres(postgres.address, schema=postgres.schema())
    pointers = PostgresPointers(database)
    pointers.swap("head", b"one", expect=None)
    with database.connected() as connection:
        connection.execute(
            f"create function {database.schema}.f() returns trigger language plpgsql as $$ begin new.value := 'evil'; return new; end $$"
        )
        connection.execute(
            f"create trigger t before update on {database.schema}.pointers for each row execute function {database.schema}.f()"
        )
    with pytest.raises(ArtifactError, match="not one of ours"):
        pointers.get("head")


def test_a_table_with_other_columns_is_refused(postgres):
    database = Postgres(postgres.address, schema=postgres.schema())
    database.make_tables({"pointers": "name text primary key, value text, tag text"})
    with pytest.raises(ArtifactError, match="not one of ours"):
        PostgresPointers(database).get("head")


def test_a_value_that_others_made_too_large_is_refused(postgres):
    database = Postgres(postgres.address, schema=postgres.schema())
    pointers = PostgresPointers(database)
    pointers.swap("head", b"one", expect=None)
    with database.connected() as connection:
        connection.execute(
            f"update {database.schema}.pointers set value = convert_to(repeat('x', 17 << 20), 'UTF8')"
        )
    with pytest.raises(ArtifactError, match="larger"):
        pointers.get("head")


def test_a_database_for_reading_only_is_never_written(postgres):
    pointers = PostgresPointers(
        Postgres(postgres.address, schema=postgres.schema()), read_only=True
    )
    assert pointers.get("head") is None
    assert list(pointers.list()) == []
    with pytest.raises(UsageError):
        pointers.swap("head", b"one", expect=None)


def test_a_server_that_waits_for_a_lock_ends_in_a_clear_error(postgres):
    database = Postgres(postgres.address, schema=postgres.schema(), timeout_s=0.5)
    pointers = PostgresPointers(database)
    tag = pointers.swap("head", b"one", expect=None)
    with database.connected() as connection:
        connection.execute(f"lock table {database.schema}.pointers")
        with pytest.raises(UnavailableError, match="cannot be used"):
            PostgresPointers(database).swap("head", b"two", expect=tag)
    assert pointers.get("head").value == b"one"


def test_an_absent_database_is_a_clear_error(tmp_path):
    with pytest.raises(UnavailableError, match="cannot be used") as error:
        PostgresPointers(Postgres(f"postgresql:///x?host={tmp_path}")).get("head")
    assert "look at the address" in error.value.hint


def test_a_password_in_an_address_is_refused():
    with pytest.raises(UsageError, match="password"):
        Postgres("host=localhost password=hunter2")
    with pytest.raises(UsageError, match="password"):
        Backends(pointers="postgresql://me:hunter2@localhost/x")


def test_over_a_network_the_server_must_prove_who_it_is():
    assert Postgres("postgresql://db.example.org/x")._parameters["sslmode"] == "verify-full"
    assert "sslmode" not in Postgres("postgresql://localhost/x")._parameters


# Object stores -----------------------------------------------------------------------------


class StopsError(Exception):
    pass


def test_a_death_before_any_step_of_a_put_shows_nothing_half(tmp_path):
    store = library().store.MemoryStore()
    for last in range(5):
        left = iter(range(last))

        def hook(step, left=left):
            if next(left, None) is None:
                raise StopsError(step)

        blobs = ObjectBlobs(store, label="memory", before=hook)
        with contextlib.suppress(StopsError):
            blobs.put([b"one", b"two"])
        whole = ObjectBlobs(store, label="memory")
        for digest in whole.list():
            whole.check(digest)
    assert len(list(ObjectBlobs(store, label="memory").list())) == 1


def test_a_blob_that_others_replaced_is_refused_wherever_it_is_read(tmp_path):
    store = library().store.MemoryStore()
    far = ObjectBlobs(store, label="memory")
    digest = far.put([b"right"])
    library().put(store, f"blobs/{digest[7:9]}/{digest[7:]}", b"wrong")
    mirror = MirroredBlobs(DirectoryBlobs(tmp_path / "b"), far)
    for read in (
        lambda: list(far.open(digest)),
        lambda: mirror.path(digest),
        lambda: far.check(digest),
    ):
        with pytest.raises(TrustError):
            read()
    assert not DirectoryBlobs(tmp_path / "b").has(digest)


def test_what_is_put_in_a_mirror_is_in_both_and_can_be_read_without_the_folder(tmp_path):
    far = ObjectBlobs(library().store.MemoryStore(), label="memory")
    digest = MirroredBlobs(DirectoryBlobs(tmp_path / "one"), far).put([b"shared"])
    elsewhere = MirroredBlobs(DirectoryBlobs(tmp_path / "two"), far)
    assert b"".join(elsewhere.open(digest)) == b"shared"
    assert elsewhere.path(digest).read_bytes() == b"shared"


def test_bytes_that_were_hashed_already_reach_both_places(tmp_path):
    far = ObjectBlobs(library().store.MemoryStore(), label="memory")
    digest = "sha256:" + hashlib.sha256(b"part").hexdigest()
    batch = MirroredBlobs(DirectoryBlobs(tmp_path / "b"), far).batch()
    batch.put(digest, b"part")
    batch.flush()
    assert b"".join(far.open(digest)) == b"part"


def test_a_pointer_that_others_overwrote_is_refused():
    store = library().store.MemoryStore()
    library().put(store, "pointers/head", b"evil")
    with pytest.raises(ArtifactError, match="something else"):
        ObjectPointers(store, label="memory").get("head")


def test_a_store_that_ignores_conditions_is_refused(monkeypatch):
    pointers = ObjectPointers(library().store.MemoryStore(), label="memory")
    pointers.probe()
    assert list(pointers.list()) == []
    puts = pointers._puts
    monkeypatch.setattr(
        pointers, "_puts", lambda name, data, mode: puts(name, data, {"mode": "overwrite"})
    )
    with pytest.raises(UnavailableError, match="conditional"):
        pointers.probe()


def stores_again(blobs):
    """Whether a server that was started again takes bytes and gives back all that it lists."""
    try:
        blobs.put([b"again"])
        for digest in blobs.list():
            blobs.check(digest)
    except UnavailableError:
        return False
    return True


@pytest.mark.integration
def test_what_s3_acknowledged_survives_its_death_and_nothing_half_is_visible(s3_backends, s3):
    blobs = s3_backends.open_blobs()
    acknowledged = []

    def write(who):
        for number in range(1000):
            try:
                acknowledged.append(blobs.put([f"{who}/{number}".encode(), bytes(300_000)]))
            except UnavailableError:
                return

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(write, who) for who in range(2)]
        while len(acknowledged) < 20:
            time.sleep(0.05)
        s3.kill()
        for one in running:
            one.result()
    s3.start()
    wait_until(lambda: stores_again(blobs), seconds=120)
    found = set(blobs.list())
    assert set(acknowledged) <= found
    for digest in found:
        blobs.check(digest)


@pytest.mark.integration
def test_of_two_writers_at_once_at_s3_one_wins(s3_backends):
    tag = s3_backends.open_object_pointers().swap("head", b"0", expect=None)

    def try_swap(who):
        try:
            return s3_backends.open_object_pointers().swap("head", str(who).encode(), expect=tag)
        except TrustError:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [tag for tag in pool.map(try_swap, range(8)) if tag]
    assert len(won) == 1
    assert s3_backends.open_object_pointers().get("head").tag == won[0]


@pytest.mark.integration
def test_a_server_of_s3_without_space_ends_in_a_clear_error(s3, tmp_path):
    full = S3Server(extra=["-volume.minFreeSpace=100"])
    try:
        store = Backends(blobs=f"s3://{full.bucket()}", endpoint=full.endpoint)
        with pytest.raises(UnavailableError):
            store.open_blobs().put([b"x"])
        assert list(store.open_blobs().list()) == []
    finally:
        full.close()


@pytest.mark.integration
def test_wrong_credentials_are_a_clear_error(s3_backends, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UnavailableError, match="let us in"):
        s3_backends.open_blobs().put([b"x"])


# How a user chooses ------------------------------------------------------------------------


def test_the_lifecycle_file_names_the_stores_and_the_environment_replaces_them(tmp_path):
    (tmp_path / "hauberk.toml").write_text('[store]\nblobs = "s3://team/loans"\nschema = "loans"\n')
    assert of_project(tmp_path, {}) == Backends(blobs="s3://team/loans", schema="loans")
    there = {"HAUBERK_STORE_BLOBS": "s3://mine/x", "HAUBERK_STORE_POINTERS": "blobs"}
    assert of_project(tmp_path, there) == Backends(
        blobs="s3://mine/x", pointers="blobs", schema="loans"
    )


def test_without_a_table_everything_lies_in_the_folder(tmp_path):
    assert of_project(tmp_path, {}) == Backends()


@pytest.mark.parametrize(
    "table",
    [
        {"blobs": "ftp://x/y"},
        {"blobs": "/tmp/x"},
        {"blobs": "s3://key:secret@bucket"},
        {"blobs": 3},
        {"bolbs": "s3://x"},
        {"pointers": "blobs"},
        {"pointers": "mysql://x"},
        {"blobs": "s3://x", "endpoint": "http://storage.example.org"},
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_sent(tmp_path, table):
    lines = "".join(f"{key} = {value!r}\n" for key, value in table.items())
    (tmp_path / "hauberk.toml").write_text(f"[store]\n{lines}")
    with pytest.raises(UsageError):
        of_project(tmp_path, {})


def test_a_store_keeps_its_pointers_in_the_database_that_is_named(tmp_path, postgres):
    schema = postgres.schema()
    backends = Backends(pointers=postgres.address, schema=schema)
    tag = Store.open(tmp_path, backends=backends).pointers.swap("head", b"1", expect=None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert Store.open(elsewhere, backends=backends).pointers.get("head").tag == tag
    assert not (tmp_path / ".hauberk/pointers.sqlite").exists()


def test_a_missing_extra_is_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(UnavailableError, match="postgres") as error:
        _ = Backends(pointers="postgresql:///x").database
    assert "hauberk[postgres]" in error.value.hint
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(UnavailableError) as error:
        Backends(blobs="s3://x").open_blobs()
    assert "hauberk[s3]" in error.value.hint
