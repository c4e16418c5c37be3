import base64
import json
from dataclasses import replace

import pytest
from tests.trust.chains import FILES, LABEL, REQUIRED, World, envelope, root_of

from hauberk.core.finding import Severity
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust import chain as module
from hauberk.trust.chain import verify_chain
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import Algorithm, Role, generate
from hauberk.trust.policy import sealed
from hauberk.trust.predicates import (
    Named,
    Result,
    Summary,
    release_statement,
    step_statement,
    summary_statement,
)
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import Pin


@pytest.fixture
def world(tmp_path):
    return World.honest(tmp_path / "project")


def refused(world, match, **arguments):
    with pytest.raises(TrustError, match=match) as caught:
        world.verify(**arguments)
    names = [name for name, _ in caught.value.details()]
    assert names == ["object", "rule", "expected", "found", "next"]
    return caught.value


def change_step(world, index, **changes):
    world.steps[index] = replace(world.steps[index], **changes)


def change_circumstances(world, index, **changes):
    step = world.steps[index]
    change_step(world, index, circumstances=replace(step.circumstances, **changes))


# The honest chain ---------------------------------------------------------------------


def test_an_honest_chain_is_accepted_and_shown_whole(world):
    verified = world.verify()
    assert [link.step.name for link in verified.links] == list(REQUIRED)
    assert verified.links[2].step == world.steps[2]
    assert verified.release == world.release()
    assert verified.tests == tuple(world.tests)
    assert verified.isolation is Isolation.FULL
    assert verified.evidence is EvidenceMode.ISOLATED
    assert verified.signed_by == (world.release_key.public.key_id,)
    assert verified.custody == "1 custodian"
    assert verified.trust is Pin.PINNED
    assert not verified.witnessed
    assert not verified.not_held
    assert not any(link.from_earlier_run for link in verified.links)
    assert set(verified.rehashed) == {
        *(FILES.keys() - {"plots/one.svg", "store/assessments.json"}),
        "plots/",
        *(f"control results of {name}" for name in REQUIRED),
    }


def test_the_order_of_envelopes_does_not_matter(world):
    assert world.verify(statements=world.statements()[::-1]).links


@pytest.mark.parametrize("algorithm", Algorithm)
def test_honest_chains_of_many_keys_are_accepted(tmp_path, algorithm):
    world = World.honest(tmp_path / "project")
    for _ in range(20):
        world.lifecycle, world.release_key = generate(algorithm), generate(algorithm)
        assert world.verify()


def test_the_weakest_level_and_evidence_are_reported(world):
    change_step(world, 1, isolation=Isolation.LANDLOCK, evidence=EvidenceMode.HOOKED)
    world.tests[0] = replace(world.tests[0], evidence=EvidenceMode.IMPORTED)
    verified = world.verify()
    assert verified.isolation is Isolation.LANDLOCK
    assert verified.evidence is EvidenceMode.IMPORTED


def test_a_step_of_an_earlier_run_is_shown_as_such(world):
    change_circumstances(world, 0, run="run-6", sequence=90)
    assert [link.from_earlier_run for link in world.verify().links] == [True, False, False]


def test_a_source_without_a_copy_is_shown_as_not_held(world):
    world.change_release = lambda made: replace(
        made, sources=(replace(made.sources[0], kept=False),)
    )
    release, statements = world.signed()
    (world.folder / "data/raw.csv").unlink()
    verified = world.verify(release=release, statements=statements)
    assert verified.not_held == ("data/raw.csv",)


def test_a_step_without_control_results_is_accepted(world):
    change_step(world, 0, assessments=None)
    assert "control results of acquisition" not in world.verify().rehashed


def test_first_use_is_reported(world):
    assert world.verify(root=world.root(state=Pin.FIRST_USE)).trust is Pin.FIRST_USE


def test_a_file_rewritten_by_a_later_step_counts_as_last_written(world):
    draft = {"prepared/train.csv": digest_bytes(b"draft")}
    change_step(world, 0, products=world.steps[0].products | draft)
    assert world.verify()


# Bytes on disk ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "data/raw.csv",
        "data/landed.csv",
        "prepared/train.csv",
        "prepared/test.csv",
        "plots/one.svg",
        "model.onnx",
        "metrics.json",
        "store/assessments.json",
    ],
)
def test_one_changed_byte_anywhere_is_refused(world, path):
    release, statements = world.signed()
    data = bytearray(FILES[path])
    data[len(data) // 2] ^= 1
    (world.folder / path).write_bytes(data)
    error = refused(world, "not what was recorded", release=release, statements=statements)
    assert error.found != error.expected


@pytest.mark.parametrize("path", ["data/raw.csv", "model.onnx", "prepared/test.csv"])
def test_a_missing_file_is_refused(world, path):
    release, statements = world.signed()
    (world.folder / path).unlink()
    refused(world, "is missing", release=release, statements=statements)


def test_an_extra_file_in_a_folder_product_is_refused(world):
    release, statements = world.signed()
    (world.folder / "plots/extra.svg").write_bytes(b"")
    refused(world, "plots/ in the project folder", release=release, statements=statements)


def test_a_link_in_place_of_a_product_is_refused(world):
    release, statements = world.signed()
    (world.folder / "model.onnx").rename(world.folder / "elsewhere")
    (world.folder / "model.onnx").symlink_to("elsewhere")
    with pytest.raises(ArtifactError, match="regular"):
        world.verify(release=release, statements=statements)


def test_a_swapped_model_is_refused_even_if_its_step_is_untouched(world):
    statements = world.statements()
    (world.folder / "model.onnx").write_bytes(b"trojan")
    error = refused(world, "no product of the chain", statements=[*statements])
    assert error.subject == "model.onnx"


# Signatures ---------------------------------------------------------------------------


def test_a_step_signed_by_a_foreign_key_is_refused(world):
    statements = world.statements()
    statements[1] = envelope(step_statement(world.steps[1]), generate())
    refused(world, "too few trusted|unknown key", statements=statements)


def test_a_release_signed_by_a_foreign_key_is_refused(world):
    forged = envelope(release_statement(world.release()), generate())
    error = refused(world, "unknown key", release=forged)
    assert error.subject.startswith("release")


def test_a_release_signed_by_the_lifecycle_key_is_refused(world):
    forged = envelope(release_statement(world.release()), world.lifecycle)
    refused(world, "unknown key", release=forged)


def test_a_step_signed_by_the_release_key_is_refused(world):
    statements = world.statements()
    statements[0] = envelope(step_statement(world.steps[0]), world.release_key)
    refused(world, "unknown key", statements=statements)


def test_a_further_foreign_signature_is_refused(world):
    release = envelope(release_statement(world.release()), world.release_key, generate())
    refused(world, "unknown key", release=release)


def test_a_whole_world_replaced_together_with_its_keys_is_refused(world, tmp_path):
    pinned = world.root()
    attacker = World.honest(tmp_path / "attacker")
    (attacker.folder / "model.onnx").write_bytes(b"trojan")
    attacker.steps[2] = attacker.step("training", Component.TRAINING, *trained(), 2)
    attacker.tests[0] = attacker.test(3)
    assert attacker.verify()  # the forgery is consistent in itself
    refused(attacker, "unknown key", root=pinned)


def trained():
    return ("prepared/train.csv",), ("metrics.json", "model.onnx", "plots/")


def test_a_threshold_of_two_needs_two_keys(world):
    second = generate()
    both = RoleKeys(
        threshold=2,
        keys=tuple(
            TrustedKey(public=pair.public, label=LABEL) for pair in (world.release_key, second)
        ),
    )
    root = world.root(roles={**world.root().roles, Role.RELEASE: both})
    payload = release_statement(world.release())
    refused(world, "too few", root=root, release=envelope(payload, second))
    refused(world, "too few", root=root, release=envelope(payload, second, second))
    verified = world.verify(root=root, release=envelope(payload, second, world.release_key))
    assert verified.custody == "demo, one custodian"


def test_a_root_without_a_release_role_trusts_no_release(world):
    roles = {Role.LIFECYCLE: world.root().roles[Role.LIFECYCLE]}
    refused(world, "nobody is trusted", root=world.root(roles=roles))


def test_a_statement_of_another_payload_type_is_refused(world):
    from hauberk.trust import dsse

    payload = release_statement(world.release())
    data = dsse.sign(payload, "text/plain", [world.release_key]).to_bytes()
    refused(world, "another type", release=data)


# Which statements ---------------------------------------------------------------------


def test_a_removed_statement_is_refused(world):
    for index in range(4):
        statements = world.statements()
        del statements[index]
        refused(world, "is missing", statements=statements)


def test_a_removed_step_is_refused_even_if_the_release_knows_nothing_of_it(world):
    del world.steps[1]
    refused(world, "step preparation is missing")


def test_a_step_that_the_root_asks_for_cannot_be_left_out_by_the_caller(world):
    release, statements = world.signed()
    with pytest.raises(TrustError, match="step audit is missing"):
        verify_chain(
            release=release,
            statements=statements,
            places=world.places(),
            root=world.root(steps=("audit",)),
        )


def test_an_added_statement_is_refused(world):
    extra = step_statement(replace(world.steps[0], name="extra"))
    statements = [*world.statements(), envelope(extra, world.lifecycle)]
    refused(world, "does not rest on", statements=statements)


def test_a_statement_given_twice_is_refused(world):
    statements = world.statements()
    refused(world, "there twice", statements=[*statements, statements[0]])


def test_a_statement_named_twice_is_refused(world):
    world.change_release = lambda made: replace(made, steps=(*made.steps, made.steps[0]))
    refused(world, "does not rest on")


def test_a_step_done_twice_is_refused(world):
    world.steps.append(replace(world.steps[2], circumstances=world.circumstances(5)))
    refused(world, "training is there twice")


def test_a_statement_of_an_older_run_in_place_of_the_named_one_is_refused(world):
    statements = world.statements()
    old = replace(world.steps[0], circumstances=world.circumstances(9))
    statements[0] = envelope(step_statement(old), world.lifecycle)
    refused(world, "acquisition is missing", statements=statements)


def test_a_statement_under_another_name_is_refused(world):
    def rename(made):
        first = made.steps[0]
        return replace(made, steps=(Named(name="landing", digest=first.digest), *made.steps[1:]))

    world.change_release = rename
    refused(world, "speaks of acquisition")


def test_a_test_named_as_a_step_is_refused(world):
    world.change_release = lambda made: replace(made, steps=(*made.steps, *made.tests), tests=())
    with pytest.raises(ArtifactError) as caught:
        world.verify()
    assert caught.value.subject.startswith("validation")


def test_a_step_named_as_a_test_is_refused(world):
    world.change_release = lambda made: replace(
        made, tests=(*made.tests, made.steps[0]), steps=made.steps[1:]
    )
    with pytest.raises(ArtifactError):
        world.verify()


def test_a_step_statement_is_no_release(world):
    data = envelope(step_statement(world.steps[0]), world.release_key)
    with pytest.raises(ArtifactError, match="predicateType"):
        world.verify(release=data)


def test_a_summary_has_no_place_among_the_statements(world):
    summary = Summary(
        subjects={"model.onnx": digest_bytes(b"weights")},
        passed=True,
        resource="urn:hauberk:loans",
        verified=(),
        levels=(),
        circumstances=world.circumstances(8),
        at=0.0,
    )
    statements = [*world.statements(), envelope(summary_statement(summary), world.lifecycle)]
    refused(world, "does not rest on", statements=statements)


def test_too_many_statements_are_refused_before_they_are_looked_at(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_STATEMENTS", 3)
    with pytest.raises(ArtifactError, match="too many"):
        world.verify()


# Floors -------------------------------------------------------------------------------


def test_a_release_of_another_project_is_refused(world):
    world.change_release = lambda made: replace(made, project="other")
    refused(world, "another project")


def test_a_release_below_the_floor_is_refused(world):
    world.change_release = lambda made: replace(made, sequence=2)
    refused(world, "older than the pinned floor")


def test_a_step_of_too_old_a_version_is_refused(world):
    change_circumstances(world, 1, tool_version="0.0.9")
    assert refused(world, "too old").subject == "preparation"


def test_a_release_of_too_old_a_version_is_refused(world):
    world.change_release = lambda made: replace(
        made, circumstances=replace(made.circumstances, tool_version="0.1.0rc1")
    )
    refused(world, "too old")


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy(min_isolation=Isolation.OBSERVE), "min_isolation"),
        (Policy(min_isolation=Isolation.FULL, fail_on=Severity.CRITICAL), "fail_on"),
        (Policy(min_isolation=Isolation.FULL, required=frozenset()), "required"),
    ],
)
def test_a_lowered_policy_is_refused_wherever_it_was_applied(world, policy, key):
    change_circumstances(world, 1, policy=sealed(policy))
    assert refused(world, f"lowers {key}").subject == f"preparation: policy.{key}"


def test_a_release_under_a_lowered_policy_is_refused(world):
    world.change_release = lambda made: replace(
        made, circumstances=replace(made.circumstances, policy=sealed(Policy()))
    )
    refused(world, "release: policy lowers min_isolation")


def test_a_test_under_a_lowered_policy_is_refused(world):
    test = world.tests[0]
    world.tests[0] = replace(
        test, circumstances=replace(test.circumstances, policy=sealed(Policy()))
    )
    refused(world, "validation: policy lowers min_isolation")


def test_a_step_held_too_weakly_is_refused(world):
    change_step(world, 2, isolation=Isolation.OBSERVE)
    assert refused(world, "too weakly").subject == "training"


def test_a_step_below_its_own_stricter_policy_is_refused(world):
    change_circumstances(world, 0, policy=sealed(Policy(min_isolation=Isolation.FULL)))
    assert world.verify()
    change_step(world, 0, isolation=Isolation.LANDLOCK)
    refused(world, "too weakly")


def test_sequence_numbers_of_one_run_must_grow(world):
    change_circumstances(world, 1, sequence=0)
    assert refused(world, "out of order").subject == "preparation"


# Hand-overs ---------------------------------------------------------------------------


def test_data_swapped_between_two_steps_is_refused(world):
    change_step(world, 2, materials={"prepared/train.csv": digest_bytes(b"poison")})
    error = refused(world, "does not come from the chain")
    assert error.subject == "material prepared/train.csv of training"


def test_a_material_from_nowhere_is_refused(world):
    materials = world.steps[2].materials | {"extra.csv": digest_bytes(b"")}
    change_step(world, 2, materials=materials)
    assert refused(world, "does not come from").expected == "a product or source of that name"


def test_a_material_made_only_later_is_refused(world):
    world.steps.reverse()
    for index in range(3):
        change_circumstances(world, index, sequence=index)
    refused(world, "does not come from")


def test_a_source_that_the_root_knows_otherwise_is_refused(world):
    root = world.root(sources={"data/raw.csv": digest_bytes(b"the real one")})
    refused(world, "source data/raw.csv", root=root)


def test_a_source_that_the_root_knows_and_nobody_uses_does_no_harm(world):
    root = world.root(sources={"other.csv": digest_bytes(b"")})
    assert world.verify(root=root)


def test_a_source_named_twice_is_refused(world):
    world.change_release = lambda made: replace(made, sources=made.sources * 2)
    with pytest.raises(ArtifactError, match="source twice"):
        world.verify()


def test_a_release_of_something_else_than_the_last_product_is_refused(world):
    world.change_release = lambda made: replace(made, files={"model.onnx": digest_bytes(b"")})
    refused(world, "no product of the chain")


def test_a_released_source_is_no_product(world):
    world.change_release = lambda made: replace(
        made, files=dict(made.files) | {"data/raw.csv": made.sources[0].digest}
    )
    refused(world, "no product of the chain")


def test_a_model_that_is_not_released_is_refused(world):
    world.change_release = lambda made: replace(made, model="other.onnx")
    refused(world, "not among its files")


def test_a_release_without_a_test_is_refused(world):
    world.tests.clear()
    refused(world, "nobody examined")


def test_a_test_of_another_model_is_refused(world):
    world.tests[0] = replace(world.tests[0], digest=digest_bytes(b"a better model"))
    refused(world, "examined another model")


@pytest.mark.parametrize("changes", [{"result": Result.FAILED}, {"failed": ("roc_auc >= 0.75",)}])
def test_a_failed_test_is_refused(world, changes):
    world.tests[0] = replace(world.tests[0], **changes)
    refused(world, "failed validation")


def test_a_warned_test_is_accepted(world):
    world.tests[0] = replace(world.tests[0], result=Result.WARNED, warned=("close",))
    assert world.verify()


def test_a_test_on_another_set_is_refused(world):
    world.tests[0] = replace(world.tests[0], data={"prepared/test.csv": digest_bytes(b"easy")})
    refused(world, "set prepared/test.csv of validation")


def test_a_test_on_no_set_is_refused(world):
    world.tests[0] = replace(world.tests[0], data={})
    refused(world, "names no set")


def test_a_raised_metric_is_refused(world):
    statements = world.statements()
    body = json.loads(statements[3])
    payload = base64.b64decode(body["payload"]).replace(b'"roc_auc":0.9', b'"roc_auc":1.0')
    body["payload"] = base64.b64encode(payload).decode()
    statements[3] = json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
    refused(world, "signature", statements=statements)


# Every byte ---------------------------------------------------------------------------


@pytest.mark.parametrize("which", range(5))
def test_every_flipped_byte_of_every_envelope_is_refused(world, which):
    release, statements = world.signed()
    envelopes = [release, *statements]
    root, places = world.root(), world.places()
    whole = envelopes[which]
    for index in range(which, len(whole), 7):
        flipped = bytearray(whole)
        flipped[index] ^= 1 << (index % 8)
        envelopes[which] = bytes(flipped)
        with pytest.raises((TrustError, ArtifactError)):
            verify_chain(
                release=envelopes[0],
                statements=envelopes[1:],
                places=places,
                root=root,
                required=REQUIRED,
            )


@pytest.mark.parametrize("which", range(5))
def test_every_truncated_envelope_is_refused(world, which):
    release, statements = world.signed()
    envelopes = [release, *statements]
    whole = envelopes[which]
    for size in range(0, len(whole), 101):
        envelopes[which] = whole[:size]
        with pytest.raises(ArtifactError):
            world.verify(release=envelopes[0], statements=envelopes[1:])


@pytest.mark.parametrize("path", sorted(FILES))
def test_every_flipped_byte_of_every_file_is_refused(world, path):
    release, statements = world.signed()
    for index in range(len(FILES[path])):
        data = bytearray(FILES[path])
        data[index] ^= 0x10
        (world.folder / path).write_bytes(data)
        with pytest.raises(TrustError, match="not what was recorded"):
            world.verify(release=release, statements=statements)


def test_the_root_of_another_world_refuses_everything(world):
    refused(world, "unknown key", root=root_of(generate(), generate()))
