import json
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trust.chains import POLICY, World

from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation
from hauberk.errors import ArtifactError, InternalError
from hauberk.trust import dsse
from hauberk.trust import predicates as module
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.fields import time_text
from hauberk.trust.predicates import (
    Circumstances,
    ModelTest,
    Result,
    Step,
    Summary,
    model_test_statement,
    read_model_test,
    read_release,
    read_step,
    read_summary,
    release_statement,
    step_statement,
    summary_statement,
)
from hauberk.trust.signer import SIGNS
from hauberk.trust.statement import attestation, parse, statement

DIGESTS = st.binary(max_size=8).map(digest_bytes)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
PATHS = st.builds(
    lambda parts, slash: "/".join(parts) + slash,
    st.lists(st.text("abc_", min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
TIMES = st.integers(0, 4_000_000_000).map(lambda number: number / 2)
CIRCUMSTANCES = st.builds(
    Circumstances,
    run=TEXT,
    sequence=st.integers(0, 1000),
    policy=st.just(POLICY),
    tool_version=TEXT,
)
HOW = {
    "isolation": st.sampled_from(Isolation),
    "evidence": st.sampled_from(EvidenceMode),
    "circumstances": CIRCUMSTANCES,
}
STEPS = st.builds(
    Step,
    name=TEXT,
    component=st.sampled_from(Component),
    command=st.lists(TEXT, max_size=3).map(tuple),
    materials=st.dictionaries(TEXT, DIGESTS, max_size=3),
    products=st.dictionaries(PATHS, DIGESTS, min_size=1, max_size=3),
    started=TIMES,
    finished=TIMES,
    assessments=st.none() | DIGESTS,
    parameters=st.dictionaries(TEXT, st.integers(-5, 5) | TEXT, max_size=3),
    **HOW,
)
TESTS = st.builds(
    ModelTest,
    name=TEXT,
    model=PATHS,
    digest=DIGESTS,
    data=st.dictionaries(TEXT, DIGESTS, max_size=3),
    result=st.sampled_from(Result),
    passed=st.lists(TEXT, max_size=3).map(tuple),
    warned=st.lists(TEXT, max_size=3).map(tuple),
    failed=st.lists(TEXT, max_size=3).map(tuple),
    metrics=st.dictionaries(
        TEXT, st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9), max_size=3
    ),
    **HOW,
)
SUMMARIES = st.builds(
    Summary,
    subjects=st.dictionaries(PATHS, DIGESTS, min_size=1, max_size=3),
    passed=st.booleans(),
    resource=TEXT,
    verified=st.lists(DIGESTS, max_size=3).map(tuple),
    levels=st.lists(TEXT, max_size=2).map(tuple),
    circumstances=CIRCUMSTANCES,
    at=TIMES,
)


@given(STEPS)
def test_a_step_survives_its_statement(step):
    assert read_step(parse(step_statement(step))) == step


@given(TESTS)
def test_a_test_survives_its_statement(test):
    assert read_model_test(parse(model_test_statement(test))) == test


@given(SUMMARIES)
def test_a_summary_survives_its_statement(summary):
    assert read_summary(parse(summary_statement(summary))) == summary


def test_a_release_survives_its_statement(tmp_path):
    release = World.honest(tmp_path / "project").release()
    assert read_release(parse(release_statement(release))) == release


@pytest.fixture
def world(tmp_path):
    return World.honest(tmp_path / "project")


def test_a_step_is_slsa_provenance(world):
    body = json.loads(step_statement(world.steps[2]))
    definition = body["predicate"]["buildDefinition"]
    assert body["_type"] == "https://in-toto.io/Statement/v1"
    assert body["predicateType"] == "https://slsa.dev/provenance/v1"
    assert definition["buildType"] == "urn:hauberk:step:v1"
    assert definition["externalParameters"]["command"] == ["python", "steps/training.py"]
    assert definition["internalParameters"]["policy"]["digest"] == POLICY.digest
    assert definition["resolvedDependencies"] == [
        {
            "digest": {"sha256": world.steps[2].materials["prepared/train.csv"][7:]},
            "name": "prepared/train.csv",
        }
    ]
    assert body["predicate"]["runDetails"]["metadata"] == {
        "finishedOn": "1970-01-12T13:46:41.250Z",
        "invocationId": "run-7",
        "startedOn": "1970-01-12T13:46:40.500Z",
    }


def test_every_field_of_the_provenance_is_one_that_the_published_definition_knows(world):
    reader = pytest.importorskip("google.protobuf.json_format", reason="comes with protobuf")
    reason = "the definitions come with in-toto-attestation"
    published = pytest.importorskip("in_toto_attestation.v1.statement", reason=reason)
    kinds = "in_toto_attestation.predicates.provenance.v1.provenance_pb2"
    provenance = pytest.importorskip(kinds, reason=reason).Provenance
    plain = pytest.importorskip("in_toto_attestation.v1.statement_pb2", reason=reason).Statement
    for step in world.steps:
        body = json.loads(step_statement(step))
        published.Statement.copy_from_pb(reader.ParseDict(body, plain())).validate()
        reader.ParseDict(body["predicate"], provenance())


def test_the_provenance_has_what_its_specification_demands(world):
    for step in world.steps:
        predicate = json.loads(step_statement(step))["predicate"]
        definition, details = predicate["buildDefinition"], predicate["runDetails"]
        assert set(predicate) == {"buildDefinition", "runDetails"}
        for address in (definition["buildType"], details["builder"]["id"]):
            assert re.match(r"[a-z][a-z0-9+.-]*:\S+$", address), "a type or builder is a URI"
        assert definition["externalParameters"]
        for version in details["builder"]["version"].items():
            assert [type(part) for part in version] == [str, str]
        for resource in (*definition["resolvedDependencies"], *details["byproducts"]):
            assert resource["digest"], "a resource has a URI, a digest or content"
        for stamp in ("startedOn", "finishedOn"):
            assert details["metadata"][stamp].endswith("Z")


def test_a_folder_is_told_from_a_file_by_its_digest_set(world):
    subjects = {
        one["name"]: list(one["digest"])
        for one in json.loads(step_statement(world.steps[2]))["subject"]
    }
    assert subjects == {
        "metrics.json": ["sha256"],
        "model.onnx": ["sha256"],
        "plots/": ["hauberkTree"],
    }


def edited(payload, *path, value):
    body = json.loads(payload)
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return parse(canonical_json(body))


DEFINITION = ("predicate", "buildDefinition")
DETAILS = ("predicate", "runDetails")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("predicateType",), "urn:other"),
        (("predicate", "more"), 1),
        ((*DEFINITION, "buildType"), "urn:other"),
        ((*DEFINITION, "more"), 1),
        ((*DEFINITION, "resolvedDependencies"), {}),
        ((*DEFINITION, "resolvedDependencies"), [{"name": "a"}]),
        ((*DEFINITION, "resolvedDependencies"), [{"name": "a\n", "digest": {"sha256": "0" * 64}}]),
        ((*DEFINITION, "externalParameters", "component"), "kitchen"),
        ((*DEFINITION, "externalParameters", "command"), "python"),
        ((*DEFINITION, "externalParameters", "parameters"), ...),
        ((*DEFINITION, "internalParameters", "isolation"), "vm"),
        ((*DEFINITION, "internalParameters", "evidence"), None),
        ((*DEFINITION, "internalParameters", "sequence"), -1),
        ((*DEFINITION, "internalParameters", "sequence"), True),
        ((*DEFINITION, "internalParameters", "run"), ""),
        ((*DEFINITION, "internalParameters", "policy", "digest"), "sha256:" + "0" * 64),
        ((*DEFINITION, "internalParameters", "policy", "document", "fail_on"), "low"),
        ((*DETAILS, "builder", "id"), "urn:other"),
        ((*DETAILS, "builder", "version"), {}),
        ((*DETAILS, "metadata", "startedOn"), "yesterday"),
        ((*DETAILS, "metadata", "startedOn"), "2026-01-01T00:00:00"),
        ((*DETAILS, "byproducts"), ...),
    ],
)
def test_malformed_steps_are_refused(world, path, value):
    with pytest.raises(ArtifactError):
        read_step(edited(step_statement(world.steps[2]), *path, value=value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("predicateType",), "urn:other"),
        (("predicate", "result"), "GOOD"),
        (("predicate", "hauberk_metrics"), {"auc": "0.9"}),
        (("predicate", "hauberk_metrics"), {"auc": True}),
        (("predicate", "hauberk_run"), ...),
        (("predicate", "passedTests"), [1]),
        (
            ("subject",),
            [
                {"name": "a", "digest": {"sha256": "0" * 64}},
                {"name": "b", "digest": {"sha256": "0" * 64}},
            ],
        ),
    ],
)
def test_malformed_tests_are_refused(world, path, value):
    with pytest.raises(ArtifactError):
        read_model_test(edited(model_test_statement(world.tests[0]), *path, value=value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("predicateType",), "urn:other"),
        (("predicate", "more"), 1),
        (("predicate", "sequence"), 1.5),
        (("predicate", "model"), ""),
        (("predicate", "steps"), ["training"]),
        (("predicate", "steps"), [{"name": "training", "digest": "md5"}]),
        (("predicate", "sources"), [{"name": "a", "digest": "sha256:" + "0" * 64}]),
    ],
)
def test_malformed_releases_are_refused(world, path, value):
    with pytest.raises(ArtifactError):
        read_release(edited(release_statement(world.release()), *path, value=value))


def test_malformed_summaries_are_refused(world):
    summary = Summary(
        subjects={"m": digest_bytes(b"")},
        passed=True,
        resource="urn:x",
        verified=(digest_bytes(b"1"),),
        levels=("SLSA_BUILD_LEVEL_1",),
        circumstances=world.circumstances(1),
        at=1.0,
    )
    for path, value in (
        (("predicate", "verificationResult"), "MAYBE"),
        (("predicate", "inputAttestations"), [{}]),
    ):
        with pytest.raises(ArtifactError):
            read_summary(edited(summary_statement(summary), *path, value=value))


def test_metrics_that_are_no_numbers_cannot_be_signed(world):
    with pytest.raises(ArtifactError, match="finite"):
        model_test_statement(replace(world.tests[0], metrics={"auc": float("nan")}))


# Statements ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "/", "../a", "/etc/passwd", "a//", "a\\b"])
def test_subjects_have_paths_that_mean_the_same_everywhere(name):
    with pytest.raises(ArtifactError):
        statement({name: digest_bytes(b"")}, "urn:x", {})


def subject(name="a", **changes):
    return {"name": name, "digest": {"sha256": "0" * 64}} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"more": 1},
        {"predicate": None},
        {"predicateType": ""},
        {"subject": []},
        {"subject": "a"},
        {"subject": ["a"]},
        {"subject": [subject(), subject()]},
        {"subject": [subject("../a")]},
        {"subject": [subject("a/")]},
        {"subject": [subject(digest={"hauberkTree": "0" * 64})]},
        {"subject": [subject(digest={"sha256": "0" * 64, "md5": "0"})]},
        {"subject": [subject(digest={"sha256": "0"})]},
        {"subject": [subject(digest={})]},
        {"subject": [subject("x" * 5000)]},
    ],
)
def test_bodies_that_are_no_statement_are_refused(changes):
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {},
        "predicateType": "urn:x",
        "subject": [subject()],
    }
    assert parse(canonical_json(body)).subjects == {"a": "sha256:" + "0" * 64}
    with pytest.raises(ArtifactError):
        parse(canonical_json(body | changes))


def test_a_statement_in_another_spelling_is_refused():
    payload = statement({"a": digest_bytes(b"")}, "urn:x", {})
    with pytest.raises(ArtifactError, match="canonical"):
        parse(payload + b" ")


def test_too_many_subjects_are_refused(monkeypatch):
    from hauberk.trust import statement as where

    monkeypatch.setattr(where, "MAX_SUBJECTS", 1)
    with pytest.raises(ArtifactError):
        parse(statement({"a": digest_bytes(b""), "b": digest_bytes(b"")}, "urn:x", {}))


def test_a_signed_statement_is_recorded_with_its_keys(world):
    payload = step_statement(world.steps[0])
    envelope = dsse.sign(payload, "t", [world.lifecycle])
    recorded = attestation(payload, envelope)
    assert recorded.envelope == envelope.to_bytes()
    assert recorded.key_ids == (world.lifecycle.public.key_id,)
    assert recorded.digest == digest_bytes(payload)
    assert recorded.subjects == world.steps[0].products


def test_an_unsigned_statement_is_recorded_as_such(world):
    recorded = attestation(step_statement(world.steps[0]))
    assert (recorded.envelope, recorded.key_ids) == (b"", ())


def test_a_statement_is_not_recorded_with_the_envelope_of_another(world):
    envelope = dsse.sign(b"other", "t", [world.lifecycle])
    with pytest.raises(InternalError):
        attestation(step_statement(world.steps[0]), envelope)


def test_times_are_utc_to_the_millisecond():
    assert time_text(1_700_000_000.1239) == "2023-11-14T22:13:20.123Z"


def test_the_documentation_names_every_type():
    text = (Path(__file__).parents[2] / "docs/attestations.md").read_text()
    for name in (*chain.from_iterable(SIGNS.values()), module.STEP_BUILD, module.RUNNER):
        assert f"`{name}`" in text or f'"{name}"' in text


def test_the_table_of_the_docstring_names_every_type():
    for name in (module.STEP_BUILD, module.RELEASE):
        assert name in module.__doc__
