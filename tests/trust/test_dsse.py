import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust import dsse
from hauberk.trust.canonical import canonical_json
from hauberk.trust.dsse import Envelope, Signature, pae, sign, verified_by, verify
from hauberk.trust.keys import Algorithm, generate

TYPE = "application/vnd.in-toto+json"
ADA, BOB, EVE = generate(), generate(Algorithm.ED25519), generate()


def known(*pairs):
    return {pair.public.key_id: pair.public for pair in pairs}


def parsed(**changes):
    body = json.loads(sign(b"payload", TYPE, [ADA]).to_bytes()) | changes
    return canonical_json({key: value for key, value in body.items() if value is not ...})


def test_the_pre_authentication_encoding_is_that_of_the_protocol():
    # The example of protocol.md
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_in_the_encoding_count_bytes():
    assert pae("é", "é".encode()) == "DSSEv1 2 é 2 é".encode()


@given(st.binary(max_size=50), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_signed_envelope_verifies_after_travel(payload, kind):
    data = sign(payload, kind, [ADA, BOB]).to_bytes()
    envelope = Envelope.from_bytes(data, canonical=True)
    assert verify(envelope, known(ADA, BOB), 2, payload_type=kind, strict=True) == payload


def test_one_key_of_two_is_enough_for_a_threshold_of_one():
    assert verify(sign(b"x", TYPE, [BOB]), known(ADA, BOB)) == b"x"


def test_signatures_by_one_key_count_once():
    envelope = sign(b"x", TYPE, [ADA, ADA, ADA])
    assert verified_by(envelope, [ADA.public]) == (ADA.public.key_id,)
    with pytest.raises(TrustError, match="too few"):
        verify(envelope, known(ADA, BOB), 2)


def test_one_key_under_two_names_counts_once():
    envelope = sign(b"x", TYPE, [ADA])
    with pytest.raises(TrustError, match="too few"):
        verify(envelope, {"one": ADA.public, "two": ADA.public}, 2)


def test_signatures_by_one_key_that_claim_different_ids_count_once():
    one, other = sign(b"x", TYPE, [ADA]), sign(b"x", TYPE, [ADA])
    renamed = Signature(key_id=BOB.public.key_id, signature=other.signatures[0].signature)
    envelope = Envelope(payload=b"x", payload_type=TYPE, signatures=(one.signatures[0], renamed))
    with pytest.raises(TrustError, match="too few"):
        verify(envelope, known(ADA, BOB), 2)


def test_a_foreign_key_is_refused_whatever_it_claims():
    forged = sign(b"x", TYPE, [EVE])
    claiming = Envelope(
        payload=b"x",
        payload_type=TYPE,
        signatures=(Signature(key_id=ADA.public.key_id, signature=forged.signatures[0].signature),),
    )
    for envelope in (forged, claiming):
        with pytest.raises(TrustError, match="too few"):
            verify(envelope, known(ADA, BOB))


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_below_one_never_verifies(threshold):
    with pytest.raises(TrustError):
        verify(sign(b"x", TYPE, [ADA]), known(ADA), threshold)


def test_no_keys_never_verify():
    with pytest.raises(TrustError):
        verify(sign(b"x", TYPE, [ADA]), {})


def test_another_type_is_refused_even_with_a_good_signature():
    envelope = sign(b"x", "text/plain", [ADA])
    with pytest.raises(TrustError, match="another type"):
        verify(envelope, known(ADA), payload_type=TYPE)


def test_changing_the_type_breaks_the_signature():
    envelope = sign(b"x", TYPE, [ADA])
    changed = Envelope(payload=b"x", payload_type="text/plain", signatures=envelope.signatures)
    with pytest.raises(TrustError, match="too few"):
        verify(changed, known(ADA))


def test_further_unknown_signatures_do_no_harm_unless_strict():
    envelope = sign(b"x", TYPE, [EVE, ADA])
    assert verify(envelope, known(ADA)) == b"x"
    with pytest.raises(TrustError, match="unknown key"):
        verify(envelope, known(ADA), strict=True)


def test_the_claimed_key_id_is_only_a_hint_unless_strict():
    signature = sign(b"x", TYPE, [ADA]).signatures[0].signature
    for claimed in ("", "anything", "é"):
        envelope = Envelope(
            payload=b"x",
            payload_type=TYPE,
            signatures=(Signature(key_id=claimed, signature=signature),),
        )
        assert verify(envelope, known(BOB, ADA)) == b"x"
        with pytest.raises(TrustError, match="unknown key"):
            verify(envelope, known(BOB, ADA), strict=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"payload":"","payload":""}',
        parsed(payload=1),
        parsed(payload="é"),
        parsed(payload="YQ"),
        parsed(payload="YR=="),
        parsed(payload="YQ==YQ=="),
        parsed(payload="Y Q="),
        parsed(payload="===="),
        parsed(payloadType=1),
        parsed(payloadType=...),
        parsed(signatures=...),
        parsed(signatures=[]),
        parsed(signatures={}),
        parsed(signatures=["sig"]),
        parsed(signatures=[{}]),
        parsed(signatures=[{"sig": 1}]),
        parsed(signatures=[{"keyid": 1, "sig": "YQ=="}]),
        parsed(signatures=[{"sig": "YQ=="}] * (dsse.MAX_SIGNATURES + 1)),
    ],
)
def test_bytes_that_are_no_envelope_are_refused(data):
    with pytest.raises(ArtifactError):
        Envelope.from_bytes(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_our_error(data):
    with pytest.raises(ArtifactError):
        Envelope.from_bytes(data)


def test_a_payload_too_large_is_refused(monkeypatch):
    data = sign(b"12345", TYPE, [ADA]).to_bytes()
    monkeypatch.setattr(dsse, "MAX_PAYLOAD_BYTES", 4)
    with pytest.raises(ArtifactError, match="no signed envelope"):
        Envelope.from_bytes(data)
    with pytest.raises(ArtifactError, match="no signed envelope"):
        sign(b"12345", TYPE, [ADA])


def test_both_base64_alphabets_and_a_missing_key_id_are_read():
    envelope = sign(b"\xfb\xef\xff", TYPE, [ADA])
    body = json.loads(envelope.to_bytes())
    body["payload"] = base64.urlsafe_b64encode(b"\xfb\xef\xff").decode()
    for one in body["signatures"]:
        one["keyid"] = None
    assert verify(Envelope.from_bytes(canonical_json(body)), known(ADA)) == b"\xfb\xef\xff"
    with pytest.raises(ArtifactError):
        Envelope.from_bytes(canonical_json(body), canonical=True)


def test_only_one_spelling_is_canonical():
    data = sign(b"x", TYPE, [ADA]).to_bytes()
    assert Envelope.from_bytes(data, canonical=True).to_bytes() == data
    for other in (data + b"\n", data.replace(b":", b": ", 1), data[:-1] + b',"z":1}'):
        Envelope.from_bytes(other)
        with pytest.raises(ArtifactError):
            Envelope.from_bytes(other, canonical=True)


def test_every_flipped_byte_of_an_envelope_is_refused():
    data = sign(b'{"a":1}', TYPE, [ADA, BOB]).to_bytes()
    for index in range(len(data)):
        for mask in (0x01, 0x20, 0x80):
            flipped = bytearray(data)
            flipped[index] ^= mask
            with pytest.raises((TrustError, ArtifactError)):
                verify(
                    Envelope.from_bytes(bytes(flipped), canonical=True),
                    known(ADA, BOB),
                    2,
                    strict=True,
                )


# The reference implementation as an oracle ---------------------------------------------

SCHEMES = {
    Algorithm.ECDSA_P256: ("ecdsa", "ecdsa-sha2-nistp256"),
    Algorithm.ED25519: ("ed25519", "ed25519"),
}


def oracle_key(public):
    pytest.importorskip("securesystemslib")
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(
        load_pem_public_key(public.pem.encode()),
        keyid=public.key_id,
        scheme=SCHEMES[public.algorithm][1],
    )


@pytest.mark.parametrize("pair", [ADA, BOB], ids=["ecdsa", "ed25519"])
def test_the_reference_implementation_accepts_our_envelopes(pair):
    key = oracle_key(pair.public)
    from securesystemslib.dsse import Envelope as Oracle

    theirs = Oracle.from_dict(json.loads(sign(b"payload", TYPE, [pair]).to_bytes()))
    assert set(theirs.verify([key], 1)) == {pair.public.key_id}


@pytest.mark.parametrize("pair", [ADA, BOB], ids=["ecdsa", "ed25519"])
def test_we_accept_envelopes_of_the_reference_implementation(pair):
    key = oracle_key(pair.public)
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from securesystemslib.dsse import Envelope as Oracle
    from securesystemslib.signer import CryptoSigner

    theirs = Oracle(payload=b"payload", payload_type=TYPE, signatures={})
    theirs.sign(CryptoSigner(load_der_private_key(pair.pkcs8, None), key))
    data = json.dumps(theirs.to_dict()).encode()
    assert verify(Envelope.from_bytes(data), known(pair), payload_type=TYPE) == b"payload"
