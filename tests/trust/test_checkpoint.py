"""Signed heads: the formats of C2SP, and nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.checkpoint import (
    MAX_NOTE_BYTES,
    Head,
    key_hash,
    make_note,
    parse_head,
    parse_note,
    signed_by,
    signing_with,
)
from hauberk.trust.keys import Algorithm, generate, read_public

# The key and the note with which Go's sumdb/note package documents the format.
GO_KEY = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    b"If you think cryptography is the answer to your problem,\n"
    b"then you don't know what your problem is.\n"
)
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
# The example of the tlog-checkpoint specification.
SPEC = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zh"
    "cyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
).encode()

KEYS = {algorithm: generate(algorithm) for algorithm in Algorithm}
HEAD = Head(origin="example.com/log", size=7, root=bytes(range(32)))


def go_key():
    """The raw key of the example as a SubjectPublicKeyInfo."""
    prefix = bytes.fromhex("302a300506032b6570032100")
    der = prefix + base64.b64decode(GO_KEY)[1:]
    pem = base64.b64encode(der).decode()
    return read_public(f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n")


def test_the_key_hash_and_signature_of_the_published_example_hold():
    raw = base64.b64decode(GO_SIGNATURE)
    assert key_hash("PeterNeumann", go_key()).hex() == "c74f20a3" == raw[:4].hex()
    assert go_key().is_good(raw[4:], GO_TEXT)


def test_the_example_of_the_specification_is_read():
    note = parse_note(SPEC)
    assert (note.head.origin, note.head.size) == ("example.com/behind-the-sofa", 20852163)
    assert note.signatures[0].name == note.head.origin
    assert note.text + b"\n" in SPEC


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_signed_head_comes_back_and_passes_its_check(algorithm):
    key = KEYS[algorithm]
    note = parse_note(make_note(HEAD, signing_with("example.com/log", [key])))
    assert note.head == HEAD
    assert signed_by("example.com/log", [key.public])(note)


def test_the_key_hash_of_ecdsa_is_the_beginning_of_the_key_id():
    key = KEYS[Algorithm.ECDSA_P256].public
    assert key_hash("any name", key).hex() == key.key_id[:8]


def test_a_threshold_counts_different_keys():
    keys = list(KEYS.values())
    public = [key.public for key in keys]
    both = parse_note(make_note(HEAD, signing_with("l", keys)))
    twice = parse_note(make_note(HEAD, signing_with("l", [keys[0], keys[0]])))
    assert signed_by("l", public, threshold=2)(both)
    assert not signed_by("l", public, threshold=2)(twice)


def test_signatures_of_unknown_keys_and_names_are_passed_over():
    key, stranger = KEYS.values()
    note = parse_note(make_note(HEAD, signing_with("l", [stranger, key])))
    assert signed_by("l", [key.public])(note)
    assert not signed_by("other", [key.public])(note)
    assert not signed_by("l", [])(note)


def test_a_bad_signature_of_a_known_key_refuses_the_note():
    one, two = KEYS.values()
    good = signing_with("l", [one])
    other = signing_with("l", [two])
    note = parse_note(make_note(HEAD, lambda text: good(text) + other(b"other text")))
    assert not signed_by("l", [one.public, two.public])(note)


def test_a_signature_over_another_head_does_not_count():
    key = KEYS[Algorithm.ED25519]
    lines = signing_with("l", [key])(Head(origin="l", size=8, root=bytes(32)).to_text())
    note = parse_note(make_note(HEAD, lambda _text: lines))
    assert not signed_by("l", [key.public])(note)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o x\n1\n{ROOT}\n",
        f"o+x\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n٣\n{ROOT}\n",
        f"o\n1e3\n{ROOT}\n",
        f"o\n{1 << 63}\n{ROOT}\n",
        f"o\n{'9' * 4000}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-4]}\n",
        f"o\n1\n{ROOT}AAAA\n",
        f"o\n1\n{ROOT[:-2]}B=\n",
        f"o\n1\n {ROOT}\n",
        f"o\n1\n{ROOT}\n\nmore\n",
        f"o\r\n1\r\n{ROOT}\r\n",
        f"o\x00\n1\n{ROOT}\n",
        f"{'o' * 300}\n1\n{ROOT}\n",
    ],
)
def test_a_head_out_of_form_is_refused(text):
    with pytest.raises(ArtifactError):
        parse_head(text.encode())


def test_lines_behind_the_third_carry_nothing():
    assert parse_head(f"o\n1\n{ROOT}\nextension\n".encode()) == Head(
        origin="o", size=1, root=bytes(32)
    )


BODY = f"o\n1\n{ROOT}\n"


@pytest.mark.parametrize(
    "note",
    [
        BODY,
        BODY + "\n",
        BODY + "\n— o AAAAAAA=",
        BODY + "\n- o AAAAAAA=\n",
        BODY + "\n— o\n",
        BODY + "\n— AAAAAAA=\n",
        BODY + "\n— o AAAA\n",
        BODY + "\n— o AAAAA\n",
        BODY + "\n— o AAAAAAB=\n",
        BODY + "\n— o x AAAAAAA=\n",
        BODY + "\n" + "— o AAAAAAA=\n" * 17,
        BODY + "\n— o AAAAAAA=\n\n",
        BODY + "\n— o " + "A" * MAX_NOTE_BYTES + "\n",
    ],
)
def test_a_note_out_of_form_is_refused(note):
    with pytest.raises(ArtifactError):
        parse_note(note.encode())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_note_are_refused(data):
    with pytest.raises(ArtifactError):
        parse_note(data)


@given(st.integers(0, 1 << 62), st.binary(min_size=32, max_size=32))
def test_every_head_survives_its_text(size, root):
    head = Head(origin="hauberk", size=size, root=root)
    assert parse_head(head.to_text()) == head


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 201, "a\x7f"])
def test_a_name_that_would_break_the_format_is_refused(name):
    with pytest.raises(UsageError):
        Head(origin=name, size=0, root=bytes(32)).to_text()
    with pytest.raises(UsageError):
        signing_with(name, [KEYS[Algorithm.ED25519]])(b"text")


@pytest.mark.parametrize("lines", [b"", b"x\n", b"\xff\n", b"\n\n"])
def test_a_signer_that_gives_no_lines_is_an_error(lines):
    with pytest.raises(TrustError):
        make_note(HEAD, lambda _text: lines)
