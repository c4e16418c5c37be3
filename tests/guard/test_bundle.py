"""What is served is what was bundled, byte for byte."""

from __future__ import annotations

import json

import pytest

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.guard import bundle, policy
from hauberk.guard.policy import Audit, GuardPolicy
from hauberk.range.worlds import served


@pytest.fixture
def folder(tmp_path):
    served.write_classifier(tmp_path / "b")
    return tmp_path / "b"


def _load(folder):
    return bundle.load(folder, verify=bundle.unverified)


def test_a_bundle_is_loaded_as_it_was_written(folder):
    loaded = _load(folder)
    assert (loaded.name, loaded.version, loaded.schema) == (
        "classifier",
        "1",
        served.CLASSIFIER_SCHEMA,
    )


@pytest.mark.parametrize("name", ["model.onnx", "schema.json", "profile.json", "policy.json"])
def test_one_changed_byte_in_any_file_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(TrustError) as caught:
        _load(folder)
    assert name in (caught.value.subject or "")


def test_a_manifest_made_to_fit_changed_files_is_refused_by_its_pin(folder):
    pin = _load(folder).digests[bundle.MANIFEST]
    manifest = json.loads((folder / bundle.MANIFEST).read_bytes())
    (folder / "profile.json").write_bytes(b"[]")
    manifest["files"]["profile.json"] = bundle.digest_bytes(b"[]")
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(TrustError, match="another bundle"):
        bundle.load(folder, verify=bundle.pinned(pin))


def test_the_model_is_not_parsed_before_verification(folder):
    def refuse(digests, statements):
        raise TrustError("no")

    (folder / "schema.json").write_bytes(b"not a schema")
    manifest = json.loads((folder / bundle.MANIFEST).read_bytes())
    manifest["files"]["schema.json"] = bundle.digest_bytes(b"not a schema")
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(TrustError, match="no"):
        bundle.load(folder, verify=refuse)


def test_a_file_too_many_is_refused(folder):
    (folder / "weights.bin").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"weights\.bin"):
        _load(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "policy.json").unlink()
    with pytest.raises(ArtifactError, match=r"policy\.json"):
        _load(folder)


def test_a_link_in_place_of_a_file_is_refused(folder, tmp_path):
    (folder / "model.onnx").rename(tmp_path / "elsewhere")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="regular file"):
        _load(folder)


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()
    with pytest.raises(ArtifactError, match="regular file"):
        _load(folder)


def test_a_file_beyond_its_bound_is_refused(folder):
    (folder / "bundle.json").write_bytes(b" " * (65 << 10))
    with pytest.raises(ArtifactError, match="too large"):
        _load(folder)


def test_no_folder_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError):
        _load(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [{"name": "../x"}, {"name": ""}, {"version": ".1"}, {"schema": 2}, {"files": []}, {"x": 1}],
)
def test_a_manifest_of_another_form_is_refused(folder, change):
    manifest = json.loads((folder / bundle.MANIFEST).read_bytes())
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest | change))
    with pytest.raises(ArtifactError):
        _load(folder)


def test_statements_are_handed_to_the_verifier(folder):
    bundle.add_statement(folder, b"envelope")
    seen = []
    bundle.load(folder, verify=lambda digests, statements: seen.extend(statements))
    assert seen == [b"envelope"]


def test_too_many_statements_are_refused(folder):
    for number in range(257):
        (folder / "statements" / str(number)).write_bytes(b"")
    with pytest.raises(ArtifactError, match="too many statements"):
        _load(folder)


def test_a_bundle_is_never_written_over(folder):
    with pytest.raises(FileExistsError):
        served.write_classifier(folder)


def test_a_policy_survives_its_bytes():
    strict = GuardPolicy(audit=Audit.DURABLE, workers=3, promote=frozenset({"a/b"}))
    assert policy.from_bytes(policy.to_bytes(strict)) == strict


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"workers": 0},
        {"workers": 1.5},
        {"workers": True},
        {"audit": "never"},
        {"promote": "x"},
        {"promote": [1]},
        {"rate_per_s": -1},
        {"schema": 9},
    ],
)
def test_a_policy_with_a_wrong_field_is_refused(change):
    data = json.loads(policy.to_bytes(GuardPolicy())) | change
    with pytest.raises(UsageError):
        policy.from_bytes(json.dumps(data).encode())


def _with_reference(folder, loaded):
    return bundle.write(
        folder,
        name=loaded.name,
        version=loaded.version,
        model=loaded.model,
        schema=loaded.schema,
        profile=loaded.profile,
        reference=b"{}",
    )


def test_a_bundle_may_hold_a_reference_of_ordinary_rows(folder, tmp_path):
    _with_reference(tmp_path / "r", _load(folder))
    assert _load(tmp_path / "r").reference == b"{}"
    assert _load(folder).reference == b""


def test_a_reference_that_is_not_the_bundled_one_is_refused(folder, tmp_path):
    _with_reference(tmp_path / "r", _load(folder))
    (tmp_path / "r" / "reference.json").write_bytes(b"[]")
    with pytest.raises(TrustError):
        _load(tmp_path / "r")


def test_a_reference_cannot_be_slipped_in(folder):
    (folder / "reference.json").write_bytes(b"{}")
    with pytest.raises(TrustError):
        _load(folder)
