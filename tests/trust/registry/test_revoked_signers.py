"""What a revoked key had signed is signed anew with its revocation."""

from __future__ import annotations

from hauberk.range.worlds.registered import World, ready
from hauberk.trust.keys import KeyPair, Label, generate
from hauberk.trust.registry import people
from hauberk.trust.registry.founding import Holder, Office
from hauberk.trust.registry.names import parse_reference


def governed_by_three() -> tuple[World, KeyPair]:
    world, _ = ready(1, versions=2, promoted=0)
    third = generate()
    label = Label(machine="m-cleo", custodian="cleo")
    holder = Holder(public=third.public, label=label, office=Office.PERSON)
    people.grant(world.writer(world.keys.ada), holder)
    second = world.writer(world.keys.bob)
    people.sign_drafts(second, people.drafts(second))
    return world, third


def test_a_version_that_a_revoked_key_promoted_stays_in_production():
    world, third = governed_by_three()
    world.promote("1", world.keys.ada, third)
    world.revoke(third)
    found = world.view().resolve(parse_reference("loans@production"))
    assert found.manifest.version == "1"
