"""Model signatures: every file is covered, every difference is refused by name."""

import base64
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError, UsageError
from hauberk.trust import dsse, keys
from hauberk.trust.keys import Algorithm
from hauberk.trust.oms import bundle
from hauberk.trust.oms.contents import Method, Resource
from hauberk.trust.oms.signers import ServiceKey, read_private_file, service_key
from hauberk.trust.oms.statement import PREDICATE, Signed, parse
from hauberk.trust.oms.verification import sign_model, signature_path, statement_of, verify_model
from hauberk.trust.statement import PAYLOAD_TYPE

KEY = keys.generate()
KNOWN = {KEY.public.key_id: KEY.public}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 500)
    (folder / "sub" / "config.json").write_text("{}")
    signature_path(folder).write_bytes(sign_model(folder, signature_path(folder), [KEY]))
    return folder


def verify(model, known=KNOWN):
    return verify_model(model, signature_path(model), known)


def test_a_signed_model_verifies_with_every_file(model):
    found = verify(model)
    assert found.n_files == 2
    assert found.signers == (KEY.public.key_id,)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_both_kinds_of_keys_sign(model, algorithm):
    key = keys.generate(algorithm)
    signature_path(model).write_bytes(sign_model(model, signature_path(model), [key]))
    assert verify(model, {key.public.key_id: key.public}).n_files == 2


def _extra(model):
    (model / "extra.bin").write_bytes(b"x")
    return "unsigned extra.bin"


def _hidden(model):
    (model / "sub" / ".hidden").write_bytes(b"x")
    return "unsigned sub/.hidden"


def _removed(model):
    (model / "sub" / "config.json").unlink()
    return "removed sub/config.json"


def _changed(model):
    path = model / "weights.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    return "changed weights.bin"


def _truncated(model):
    os.truncate(model / "weights.bin", 100)
    return "changed weights.bin"


def _renamed(model):
    (model / "weights.bin").rename(model / "Weights.bin")
    return "unsigned Weights.bin; removed weights.bin"


@pytest.mark.parametrize(
    "deed",
    [_extra, _hidden, _removed, _changed, _truncated, _renamed],
    ids=lambda deed: deed.__name__,
)
def test_every_difference_is_refused_by_name(model, deed):
    words = deed(model)
    with pytest.raises(TrustError) as caught:
        verify(model)
    assert caught.value.found == words


def test_a_link_in_place_of_a_file_is_refused_by_name(model):
    (model / "weights.bin").rename(model.parent / "w")
    (model / "weights.bin").symlink_to(model.parent / "w")
    with pytest.raises(ArtifactError, match=r"weights\.bin"):
        verify(model)


def test_a_link_to_the_model_is_refused(model):
    link = model.parent / "link"
    link.symlink_to(model)
    with pytest.raises(ArtifactError):
        verify_model(link, signature_path(model), KNOWN)


def test_another_key_is_refused(model):
    other = keys.generate().public
    with pytest.raises(TrustError, match="too few trusted signatures"):
        verify(model, {other.key_id: other})


def test_shards_are_signed_and_a_changed_one_names_its_file(model):
    signed = statement_of(model, signature_path(model), shard_bytes=1000)
    signature_path(model).write_bytes(bundle.seal(signed.to_bytes(), [KEY]))
    assert verify(model).signed.method.shard_bytes == 1000
    assert _changed(model) == "changed weights.bin"
    with pytest.raises(TrustError, match=r"changed weights\.bin"):
        verify(model)


def test_a_single_file_is_signed_beside_itself(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"model")
    signature_path(path).write_bytes(sign_model(path, signature_path(path), [KEY]))
    assert verify_model(path, signature_path(path), KNOWN).n_files == 1
    path.write_bytes(b"other")
    with pytest.raises(TrustError):
        verify_model(path, signature_path(path), KNOWN)


def _sealed(document):
    return bundle.seal(json.dumps(document).encode(), [KEY])


def _statement(model):
    return json.loads(statement_of(model, signature_path(model)).to_bytes())


def _wrong_root(document):
    document["subject"][0]["digest"]["sha256"] = "0" * 64


def _climbing(document):
    document["predicate"]["resources"][0]["name"] = "../outside"


def _twice(document):
    resources = document["predicate"]["resources"]
    resources.append(resources[0])


def _two_subjects(document):
    document["subject"] *= 2


def _other_predicate(document):
    document["predicateType"] = "https://model_signing/signature/v9"


def _weak_hash(document):
    document["predicate"]["serialization"]["hash_type"] = "md5"


def _ignores_weights(document):
    document["predicate"]["serialization"]["ignore_paths"] = ["weights.bin"]


def _ignores_all(document):
    document["predicate"]["serialization"]["ignore_paths"] = ["."]


def _negative_shards(document):
    document["predicate"]["serialization"].update(method="shards", shard_size=0)


@pytest.mark.parametrize(
    "change",
    [
        _wrong_root,
        _climbing,
        _twice,
        _two_subjects,
        _other_predicate,
        _weak_hash,
        _ignores_weights,
        _ignores_all,
        _negative_shards,
    ],
    ids=lambda change: change.__name__,
)
def test_a_signed_statement_that_breaks_a_rule_is_refused(model, change):
    document = _statement(model)
    change(document)
    signature_path(model).write_bytes(_sealed(document))
    with pytest.raises((ArtifactError, TrustError)):
        verify(model)


def test_a_signature_of_another_payload_type_is_refused(model):
    envelope = dsse.sign(statement_of(model, signature_path(model)).to_bytes(), "other", [KEY])
    document = json.loads(bundle.seal(b"{}", [KEY]))
    document["dsseEnvelope"] = json.loads(envelope.to_bytes())
    signature_path(model).write_text(json.dumps(document))
    with pytest.raises(TrustError, match="another type"):
        verify(model)


def test_an_edited_payload_is_refused(model):
    document = json.loads(signature_path(model).read_text())
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    edited = payload.replace(b'"model"', b'"other"')
    document["dsseEnvelope"]["payload"] = base64.b64encode(edited).decode()
    signature_path(model).write_text(json.dumps(document))
    with pytest.raises(TrustError):
        verify(model)


def test_a_keyless_signature_needs_an_expected_identity(model):
    document = json.loads(signature_path(model).read_text())
    document["verificationMaterial"] = {"certificate": {"rawBytes": ""}, "tlogEntries": []}
    signature_path(model).write_text(json.dumps(document))
    with pytest.raises(TrustError, match="keyless"):
        verify(model)


@given(st.binary(max_size=300))
def test_foreign_bytes_are_no_bundle(data):
    with pytest.raises(ArtifactError):
        bundle.parse(data, "model.sig")


@given(
    st.dictionaries(
        st.sampled_from(["_type", "subject", "predicateType", "predicate"]),
        st.none() | st.integers() | st.lists(st.integers()) | st.just(PREDICATE),
    )
)
def test_foreign_statements_are_refused(document):
    with pytest.raises(HauberkError):
        parse(json.dumps(document).encode())


def test_a_statement_is_read_back():
    one = Signed(model="m", method=Method(), resources=(Resource(name="a", digest="00" * 32),))
    assert parse(one.to_bytes()) == one
    assert PAYLOAD_TYPE == "application/vnd.in-toto+json"


def test_a_private_key_open_to_others_is_refused(tmp_path):
    path = tmp_path / "key.pem"
    keys.save(KEY, tmp_path / "keys", keys.Role.RELEASE, keys.Label(machine="m", custodian="c"))
    path.write_bytes((tmp_path / "keys" / "release.pem").read_bytes())
    path.chmod(0o644)
    with pytest.raises(TrustError, match="open to others"):
        read_private_file(path)
    path.chmod(0o600)
    assert read_private_file(path).public == KEY.public


def test_an_unknown_scheme_of_a_key_is_a_usage_error():
    with pytest.raises(UsageError, match="not a key"):
        service_key("ftp:x", KEY.public)


def test_a_missing_library_of_a_key_service_is_named():
    with pytest.raises(UnavailableError) as caught:
        service_key("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k", KEY.public)
    assert "securesystemslib[gcpkms]" in caught.value.hint


class _Service:
    def __init__(self, made):
        self._made = made

    def sign(self, data):
        return self._made(data)


class _Made:
    def __init__(self, data):
        self.signature = data.hex()


def test_a_key_service_signs_and_is_checked():
    right = ServiceKey(public=KEY.public, signer=_Service(lambda data: _Made(KEY.sign(data))))
    assert KEY.public.is_good(right.sign(b"data"), b"data")
    wrong = ServiceKey(
        public=KEY.public, signer=_Service(lambda data: _Made(keys.generate().sign(data)))
    )
    with pytest.raises(TrustError, match="another key"):
        wrong.sign(b"data")


def test_a_key_service_that_fails_is_unavailable():
    def fail(data):
        raise RuntimeError(len(data))

    broken = ServiceKey(public=KEY.public, signer=_Service(fail))
    with pytest.raises(UnavailableError, match="did not answer"):
        broken.sign(b"data")
