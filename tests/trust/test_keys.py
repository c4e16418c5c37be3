import json
import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust.keys import (
    Algorithm,
    Label,
    Role,
    config_folder,
    custodians,
    custody,
    generate,
    load,
    load_public,
    machine_name,
    make_missing,
    read_label,
    read_public,
    save,
)

LABEL = Label(machine="m1", custodian="ada")
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_signs_and_its_public_half_verifies(algorithm):
    pair = generate(algorithm)
    signature = pair.sign(b"data")
    assert pair.public.algorithm is algorithm
    assert pair.public.is_good(signature, b"data")
    assert not pair.public.is_good(signature, b"Data")
    assert not pair.public.is_good(signature[:-1], b"data")
    assert not pair.public.is_good(b"", b"data")
    assert not generate(algorithm).public.is_good(signature, b"data")


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_has_one_name_in_every_spelling(algorithm):
    key = generate(algorithm).public
    assert read_public(key.pem) == read_public(key.spki) == key
    assert read_public(key.pem.encode()).key_id == key.key_id
    assert len(key.key_id) == 64


def test_a_compressed_point_is_the_same_key():
    private = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = private.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    # SubjectPublicKeyInfo (RFC 5480) around the compressed point
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    assert read_public(head + point).key_id == read_public(private.public_bytes(DER, SPKI)).key_id


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["p384", "rsa"],
)
def test_other_kinds_of_keys_are_refused(folder, key):
    with pytest.raises(ArtifactError, match="no key"):
        read_public(key.public_key().public_bytes(PEM, SPKI))
    save(generate(), folder, Role.RELEASE, LABEL)
    (folder / "release.pem").write_bytes(
        key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(ArtifactError, match="no key"):
        load(folder, Role.RELEASE)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PUBLIC KEY-----\n", b"\x30\x00", b"x" * 20_000])
def test_bytes_that_are_no_key_are_refused(data):
    with pytest.raises(ArtifactError, match="no key"):
        read_public(data)


def test_a_private_key_is_never_shown():
    pair = generate()
    assert pair.public.key_id[:16] in repr(pair)
    assert "pkcs8" not in repr(pair)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_saved_key_comes_back(folder, algorithm):
    pair = generate(algorithm)
    path = save(pair, folder, Role.LIFECYCLE, LABEL)
    assert load(folder, Role.LIFECYCLE).public == pair.public
    assert load_public(folder, Role.LIFECYCLE) == (pair.public, LABEL)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(item.name for item in folder.iterdir()) == ["lifecycle.json", "lifecycle.pem"]


def test_a_key_is_never_replaced(folder):
    first = generate()
    save(first, folder, Role.LIFECYCLE, LABEL)
    with pytest.raises(UsageError, match="there is a key"):
        save(generate(), folder, Role.LIFECYCLE, LABEL)
    assert load(folder, Role.LIFECYCLE).public == first.public
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_key_that_others_can_reach_is_refused(folder, mode):
    save(generate(), folder, Role.LIFECYCLE, LABEL).chmod(mode)
    with pytest.raises(TrustError, match="open to others") as caught:
        load(folder, Role.LIFECYCLE)
    assert caught.value.found.startswith(f"mode {mode:04o}")


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_folder_that_others_can_reach_is_refused(folder, mode):
    save(generate(), folder, Role.LIFECYCLE, LABEL)
    folder.chmod(mode)
    with pytest.raises(TrustError, match="open to others"):
        load(folder, Role.LIFECYCLE)
    with pytest.raises(TrustError, match="open to others"):
        save(generate(), folder, Role.RELEASE, LABEL)


def test_a_key_of_another_user_is_refused(folder):
    save(generate(), folder, Role.LIFECYCLE, LABEL)
    with pytest.raises(TrustError, match="open to others"):
        load(folder, Role.LIFECYCLE, user=os.geteuid() + 1)


def test_a_link_instead_of_a_key_is_not_followed(folder, tmp_path):
    path = save(generate(), folder, Role.LIFECYCLE, LABEL)
    path.rename(tmp_path / "elsewhere.pem")
    path.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(UnavailableError, match="no key"):
        load(folder, Role.LIFECYCLE)


def test_a_pipe_or_folder_instead_of_a_key_is_refused_at_once(folder):
    path = save(generate(), folder, Role.LIFECYCLE, LABEL)
    for make in (os.mkfifo, os.mkdir):
        for name in ("lifecycle.pem", "lifecycle.json"):
            (folder / name).unlink()
            make(folder / name, 0o600)
        with pytest.raises(ArtifactError, match="no key"):
            load(folder, Role.LIFECYCLE)
        with pytest.raises(ArtifactError, match="regular"):
            load_public(folder, Role.LIFECYCLE)
        for name in ("lifecycle.pem", "lifecycle.json"):
            (folder / name).rename(folder / f"{name}.{make.__name__}")
            (folder / name).touch()
    assert path.exists()


def test_a_missing_key_is_unavailable(folder):
    with pytest.raises(UnavailableError, match="no key"):
        load(folder, Role.LIFECYCLE)
    with pytest.raises(UnavailableError, match="no key"):
        load_public(folder, Role.LIFECYCLE)


def test_an_unreadable_or_encrypted_key_is_refused(folder):
    path = save(generate(), folder, Role.LIFECYCLE, LABEL)
    path.write_bytes(b"garbage")
    with pytest.raises(ArtifactError, match="no key"):
        load(folder, Role.LIFECYCLE)
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ArtifactError, match="encrypted"):
        load(folder, Role.LIFECYCLE)


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": "0" * 64},
        {"public": 1},
        {"public": "no key"},
        {"label": None},
        {"label": {"machine": "", "custodian": "ada"}},
        {"label": {"machine": 1, "custodian": "ada"}},
    ],
)
def test_a_public_card_that_contradicts_itself_is_refused(folder, change):
    save(generate(), folder, Role.LIFECYCLE, LABEL)
    card = json.loads((folder / "lifecycle.json").read_bytes())
    (folder / "lifecycle.json").write_text(json.dumps(card | change))
    with pytest.raises(ArtifactError):
        load_public(folder, Role.LIFECYCLE)


def test_a_public_card_that_is_no_object_is_refused(folder):
    save(generate(), folder, Role.LIFECYCLE, LABEL)
    (folder / "lifecycle.json").write_text("[]")
    with pytest.raises(ArtifactError):
        load_public(folder, Role.LIFECYCLE)


def test_only_missing_keys_are_made(folder):
    first = generate()
    save(first, folder, Role.LIFECYCLE, LABEL)
    assert make_missing(folder, LABEL) == (Role.RELEASE,)
    assert make_missing(folder, LABEL) == ()
    assert load(folder, Role.LIFECYCLE).public == first.public
    assert load(folder, Role.RELEASE)


def test_a_public_half_lost_in_a_crash_is_written_again(folder):
    make_missing(folder, LABEL)
    (folder / "release.json").unlink()
    assert make_missing(folder, LABEL) == ()
    assert load_public(folder, Role.RELEASE)[0] == load(folder, Role.RELEASE).public


def test_the_configuration_follows_xdg(tmp_path):
    assert config_folder({"XDG_CONFIG_HOME": "/x"}, tmp_path).as_posix() == "/x/hauberk"
    assert config_folder({}, tmp_path) == tmp_path / ".config/hauberk"
    assert config_folder({"XDG_CONFIG_HOME": "relative"}, tmp_path) == tmp_path / ".config/hauberk"


def test_a_machine_has_a_stable_name_that_is_not_its_id(tmp_path):
    (tmp_path / "id").write_text("0123456789abcdef\n")
    name = machine_name(tmp_path / "id")
    assert name == machine_name(tmp_path / "id")
    assert "0123456789abcdef" not in name
    assert machine_name(tmp_path / "none") != name


@pytest.mark.parametrize(
    ("labels", "persons", "phrase"),
    [
        ([], 0, "0 custodians"),
        ([("m1", "ada")], 1, "1 custodian"),
        ([("m1", "ada"), ("m1", "bob")], 1, "demo, one custodian"),
        ([("m1", "ada"), ("m2", "ada")], 1, "demo, one custodian"),
        ([("m1", "ada"), ("m2", "bob")], 2, "2 custodians"),
        ([("m1", "ada"), ("m2", "bob"), ("m2", "ada")], 1, "demo, one custodian"),
    ],
)
def test_keys_that_share_machine_or_custodian_are_one_person(labels, persons, phrase):
    made = [Label(machine=machine, custodian=custodian) for machine, custodian in labels]
    assert custodians(made) == persons
    assert custody(made) == phrase


def test_labels_are_read_strictly():
    assert read_label({"machine": "m", "custodian": "c"}) == Label(machine="m", custodian="c")
    with pytest.raises(ArtifactError):
        read_label({"machine": "m"})
