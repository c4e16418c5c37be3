from dataclasses import replace

import pytest
from tests.trust.chains import World, envelope, root_of

from hauberk.core.policy import EvidenceMode
from hauberk.errors import TrustError
from hauberk.trust.keys import Label, Role, generate
from hauberk.trust.predicates import release_statement
from hauberk.trust.promotion import check_production, check_promotion
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import Pin

ROOT = root_of(generate(), generate())


@pytest.fixture
def world(tmp_path):
    return World.honest(tmp_path / "project")


def two_keys(*labels):
    pairs = [generate() for _ in labels]
    keys = tuple(
        TrustedKey(public=pair.public, label=Label(machine=machine, custodian=custodian))
        for pair, (machine, custodian) in zip(pairs, labels, strict=True)
    )
    role = RoleKeys(threshold=1, keys=keys)
    root = replace(ROOT, roles={**ROOT.roles, Role.RELEASE: role})
    return root, [pair.public.key_id for pair in pairs]


def test_two_persons_may_promote():
    root, ids = two_keys(("m1", "ada"), ("m2", "bob"))
    check_promotion(root, ids)


@pytest.mark.parametrize("labels", [(("m1", "ada"), ("m1", "bob")), (("m1", "ada"), ("m2", "ada"))])
def test_two_keys_of_one_person_may_not(labels):
    root, ids = two_keys(*labels)
    with pytest.raises(TrustError, match="two persons") as caught:
        check_promotion(root, ids)
    assert caught.value.found == "2 keys of 1 (demo, one custodian)"


def test_one_signature_may_not():
    root, ids = two_keys(("m1", "ada"), ("m2", "bob"))
    with pytest.raises(TrustError, match="two persons"):
        check_promotion(root, [ids[0], ids[0], "unknown"])


def test_trust_on_first_use_may_not():
    root, ids = two_keys(("m1", "ada"), ("m2", "bob"))
    with pytest.raises(TrustError, match="first use"):
        check_promotion(replace(root, state=Pin.FIRST_USE), ids)


def two_persons(world):
    second = generate()
    keys = tuple(
        TrustedKey(public=pair.public, label=Label(machine=f"m{n}", custodian=f"person {n}"))
        for n, pair in enumerate((world.release_key, second))
    )
    roles = {**world.root().roles, Role.RELEASE: RoleKeys(threshold=2, keys=keys)}
    release = envelope(release_statement(world.release()), world.release_key, second)
    return world.root(roles=roles), release


def test_a_chain_signed_by_two_persons_may_go_to_production(world):
    root, release = two_persons(world)
    check_production(world.verify(root=root, release=release), root)


def test_a_chain_signed_by_one_person_may_not(world):
    with pytest.raises(TrustError, match="two persons"):
        check_production(world.verify(), world.root())


@pytest.mark.parametrize("evidence", [EvidenceMode.OBSERVED, EvidenceMode.IMPORTED])
def test_a_step_that_was_only_watched_or_told_of_may_not(world, evidence):
    world.steps[1] = replace(world.steps[1], evidence=evidence)
    root, release = two_persons(world)
    with pytest.raises(TrustError, match="evidence") as caught:
        check_production(world.verify(root=root, release=release), root)
    assert caught.value.found == evidence.value
