"""What a reader of a registry refuses, and what it takes."""

from __future__ import annotations

import copy
from dataclasses import replace
from random import Random

import pytest

from hauberk.errors import HauberkError, TrustError, UnavailableError, UsageError
from hauberk.range.worlds.registered import World, ready, single
from hauberk.trust.keys import Label, generate
from hauberk.trust.registry import deeds, founding, people
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.client import Client
from hauberk.trust.registry.documents import Manifest
from hauberk.trust.registry.metadata import bind, check_bound
from hauberk.trust.registry.names import parse_reference
from hauberk.trust.registry.registrar import Registrar
from hauberk.trust.registry.upkeep import history, resign, standing

PRODUCTION, STAGING = parse_reference("loans@production"), parse_reference("loans@staging")


@pytest.fixture
def world() -> World:
    return ready(3)[0]


def test_an_earlier_state_without_retirements_is_not_taken(world: World):
    """Whoever holds the online keys cannot leave the list of retired versions out."""
    writer = world.writer(*world.keys.online)
    del writer.view.trusted.snapshot.meta["retired.json"]
    writer.publish_state({})
    with pytest.raises(TrustError, match="a list of what is retired"):
        world.view().resolve(STAGING)


def restore(world: World, files: dict[str, bytes]) -> None:
    """Put an earlier state back, as whoever can write to the store does."""
    for name in list(world.files.list()):
        before = world.files.get(name)
        if files.get(name) != before.value:
            world.files.swap(name, files.get(name), expect=before.tag)


def overwrite(world: World, name: str, data: bytes) -> None:
    before = world.files.get(name)
    world.files.swap(name, data, expect=before.tag if before else None)


def test_two_persons_bring_a_version_to_production(world: World):
    found = world.view().resolve(PRODUCTION)
    assert (found.manifest.version, found.custody) == ("1", "2 custodians")
    assert world.view().resolve(STAGING).manifest.version == "2"


def test_one_person_alone_leaves_a_draft_and_changes_nothing(world: World):
    outcome = world.promote("2", world.keys.ada)
    assert [one.role for one in outcome.waiting] == ["production"]
    assert world.view().resolve(PRODUCTION).manifest.version == "1"


def test_the_same_person_twice_is_one_person(world: World):
    world.promote("2", world.keys.ada, world.keys.ada)
    assert world.view().resolve(PRODUCTION).manifest.version == "1"


def test_a_draft_of_something_else_is_not_signed_along(world: World):
    world.publish(world.release(Random(5), 3))
    world.promote("3", world.keys.ada)
    world.promote("2", world.keys.bob)
    assert world.view().resolve(PRODUCTION).manifest.version == "1"


def test_keys_of_one_machine_do_not_reach_production():
    world, rng = single(), Random(1)
    second = generate()
    same = Label(machine="m-ada", custodian="ada's other hat")
    holder = founding.Holder(public=second.public, label=same, office=founding.Office.PERSON)
    people.grant(world.writer(world.keys.ada), holder)
    world.publish(world.release(rng, 1))
    outcome = world.promote("1", world.keys.ada, second)
    assert [one.role for one in outcome.waiting] == ["production"]


def test_a_registry_governed_by_one_person_does_not_reach_production(world: World):
    """Who can name the approvers can approve."""
    single = replace(world.trust, anchor=replace(world.anchor, persons=3))
    client = Client(place=world.place, trust=single, memory=VolatileMemory(), clock=world.clock)
    with pytest.raises(TrustError, match="3 persons"):
        client.refresh().resolve(PRODUCTION)


def test_trust_on_first_use_reaches_staging_only(world: World):
    first = replace(world.trust, is_pinned=False)
    view = Client(
        place=world.place, trust=first, memory=VolatileMemory(), clock=world.clock
    ).refresh()
    assert not view.resolve(STAGING).is_pinned
    with pytest.raises(TrustError, match="first use"):
        view.resolve(PRODUCTION)


def test_a_registry_replaced_with_its_keys_is_refused(world: World):
    other, _ = ready(5)
    restore(world, {})
    for name, data in other.copy().items():
        overwrite(world, name, data)
    with pytest.raises(TrustError, match="not the registry acme that was pinned"):
        world.view()


def test_a_client_that_has_seen_more_is_not_rolled_back(world: World):
    memory, old = VolatileMemory(), world.copy()
    world.promote("2")
    world.view(memory).resolve(PRODUCTION)
    restore(world, old)
    with pytest.raises(TrustError, match="rolled back"):
        world.view(memory)


def test_a_fresh_client_is_not_fed_a_state_below_its_floor(world: World):
    old = world.copy()
    world.promote("2")
    state = world.view().trusted.timestamp.version
    world.anchor = replace(world.anchor, floor=state)
    assert world.view().resolve(PRODUCTION).manifest.version == "2"
    restore(world, old)
    with pytest.raises(TrustError, match="below the pinned floor"):
        world.view()


def test_a_release_floor_keeps_old_releases_out(world: World):
    trust = replace(world.trust, release_floor=2)
    view = Client(
        place=world.place, trust=trust, memory=VolatileMemory(), clock=world.clock
    ).refresh()
    with pytest.raises(TrustError, match="below the pinned floor"):
        view.resolve(PRODUCTION)


def test_a_frozen_registry_is_refused_when_its_timestamp_expires(world: World):
    world.clock.turn(1.5)
    with pytest.raises(TrustError, match="has expired") as caught:
        world.view()
    assert "resign" in str(caught.value.hint)


def test_the_job_keeps_a_registry_fresh_with_the_timestamps_key_alone(world: World):
    for _ in range(5):
        world.clock.turn(0.9)
        assert resign(world.writer(world.keys.timestamp)).signed == ("timestamp",)
    assert world.view().resolve(PRODUCTION).manifest.version == "1"


def test_what_only_people_can_sign_is_announced_early(world: World):
    world.clock.turn(150)
    done = resign(world.writer(*world.keys.online, world.keys.trainer))
    assert {"snapshot", "timestamp", "models", "staging"} <= set(done.signed)
    assert "production" in [one.role for one in done.alarms]


def test_a_clock_that_went_back_is_noticed(world: World):
    memory = VolatileMemory()
    world.view(memory)
    world.clock.turn(-3)
    with pytest.raises(TrustError, match="clock"):
        world.view(memory)


def test_a_clock_behind_the_registry_is_noticed_by_a_fresh_client(world: World):
    world.clock.turn(-3)
    with pytest.raises(TrustError, match="clock"):
        world.view()


def test_retired_versions_are_not_served_under_any_name(world: World):
    world.promote("2")
    world.retire("1")
    with pytest.raises(TrustError, match="retired"):
        world.view().resolve(parse_reference("loans@1"))
    again = replace(world.view().manifest("loans", "1")[0], version="9", sequence=9)
    with pytest.raises(TrustError, match="retired as 1"):
        world.publish(again)
    with pytest.raises(TrustError, match="retired"):
        world.roll_back("1")


def test_a_retired_version_in_production_is_refused_at_once(world: World):
    world.retire("1")
    with pytest.raises(TrustError, match="backdoor found"):
        world.view().resolve(PRODUCTION)


def test_a_rollback_lasts_as_long_as_it_says(world: World):
    world.promote("2")
    assert world.roll_back("1", days=0.5).is_published
    assert world.view().resolve(PRODUCTION).manifest.version == "1"
    world.clock.turn(0.6)
    with pytest.raises(TrustError, match=r"rollback .* has expired"):
        world.view().resolve(PRODUCTION)


def test_going_back_needs_a_rollback(world: World):
    world.promote("2")
    with pytest.raises(TrustError, match="not newer"):
        world.promote("1")
    with pytest.raises(TrustError, match="never beyond"):
        world.roll_back("2")


def test_versions_are_written_once(world: World):
    manifest = world.view().manifest("loans", "2")[0]
    with pytest.raises(TrustError, match="published already"):
        world.publish(replace(manifest, sequence=7))


def test_a_version_that_was_overwritten_with_its_roles_key_is_noticed(world: World):
    memory = VolatileMemory()
    world.view(memory).resolve(STAGING)
    writer = world.writer(world.keys.trainer, *world.keys.online)
    changes: dict[str, object] = {}
    forged = replace(world.view().manifest("loans", "2")[0], created=1.0)
    writer.set(changes, "models/loans/2.json", deeds.manifest_bytes(forged))
    writer.commit(list(changes.values()))
    with pytest.raises(TrustError, match="changed since it was seen"):
        world.view(memory).manifest("loans", "2")
    with pytest.raises(TrustError, match="another manifest"):
        world.view().resolve(STAGING)


def test_a_revoked_key_counts_for_nothing(world: World):
    world.revoke(world.keys.trainer)
    with pytest.raises(TrustError, match="role models is not signed by enough"):
        world.view().resolve(PRODUCTION)
    with pytest.raises(TrustError, match="models"):
        world.publish(world.release(Random(8), 3))


def test_a_role_is_signed_anew_by_another_key_when_one_is_revoked(world: World):
    new = generate()
    ada = Label(machine="m-ada", custodian="ada")
    holder = founding.Holder(public=new.public, label=ada, office=founding.Office.TRAINER)
    people.grant(world.writer(world.keys.ada), holder)
    second = world.writer(world.keys.bob)
    people.sign_drafts(second, people.drafts(second))
    people.revoke(world.writer(world.keys.ada, new), world.keys.trainer.public.key_id, "stolen")
    second = world.writer(world.keys.bob)
    people.sign_drafts(second, people.drafts(second))
    assert world.view().resolve(PRODUCTION).manifest.version == "1"
    with pytest.raises(TrustError, match="was revoked"):
        people.grant(
            world.writer(world.keys.ada), replace(holder, public=world.keys.trainer.public)
        )


def test_whoever_comes_second_begins_again(world: World):
    first = world.writer(world.keys.trainer, *world.keys.online)
    second = world.writer(world.keys.trainer, *world.keys.online)
    deeds.publish(first, world.release(Random(6), 3))
    with pytest.raises(TrustError, match=r"somebody else|would be overwritten"):
        deeds.publish(second, world.release(Random(7), 4))
    assert world.view().resolve(STAGING).manifest.version == "3"


class CrashError(Exception):
    pass


class Failing:
    """Names that stop working after some writes."""

    def __init__(self, files, writes: int) -> None:
        self.files, self.left = files, writes

    def get(self, name):
        return self.files.get(name)

    def list(self, prefix=""):
        return self.files.list(prefix)

    def swap(self, name, value, *, expect):
        if self.left == 0:
            raise CrashError
        self.left -= 1
        return self.files.swap(name, value, expect=expect)


@pytest.mark.parametrize("writes", range(6))
def test_a_crash_between_any_two_writes_harms_nobody(world: World, writes: int):
    manifest = world.release(Random(9), 3)
    writer = world.writer(world.keys.trainer, *world.keys.online)
    writer.place = replace(writer.place, files=Failing(world.files, writes))
    with pytest.raises(CrashError):
        deeds.publish(writer, manifest)
    assert world.view().resolve(STAGING).manifest.version == "2"
    world.publish(manifest)
    assert world.view().resolve(STAGING).manifest.version == "3"


def test_nobody_publishes_without_the_roles_key(world: World):
    manifest: Manifest = world.release(Random(9), 3)
    stranger = generate()
    for hands in ((stranger, *world.keys.online), world.keys.online):
        writer = Registrar.open(
            world.place, world.trust, VolatileMemory(), hands=hands, clock=world.clock
        )
        with pytest.raises(TrustError, match="no key here may sign role models"):
            deeds.publish(writer, manifest)


def test_history_tells_who_moved_a_channel_and_why(world: World):
    world.promote("2")
    world.roll_back("1")
    past = list(history(world.view(), "loans", "production"))
    assert [one.pointing.version for one in past] == ["1", "2", "1"]
    assert past[0].pointing.reason == "a defect in the newer one"
    assert {len(one.signers) for one in past} == {2}


def test_every_role_says_who_holds_it(world: World):
    roles = {one.role: one for one in standing(world.view())}
    assert roles["production"].persons == 2
    assert roles["root"].threshold == 2
    assert any("bob@m-bob" in holder for holder in roles["targets"].holders)


@pytest.mark.parametrize(
    "text",
    [
        "loans",
        "../x@1",
        "loans@../1",
        "LOANS@1",
        "l\u043eans@1",
        "a/b@1",
        "@1",
        "a@",
        "a..b@1",
        "con@1",
    ],
)
def test_names_that_lead_elsewhere_are_refused(text: str):
    with pytest.raises(UsageError):
        parse_reference(text)


def test_a_missing_file_is_named(world: World):
    version = world.view().trusted.snapshot.meta["models.json"].version
    overwrite(world, f"metadata/{version}.models.json", None)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match="missing") as caught:
        world.view().resolve(STAGING)
    assert "models" in str(caught.value.subject)


def test_every_refusal_says_what_to_do_next(world: World):
    world.clock.turn(2)
    with pytest.raises(HauberkError) as caught:
        world.view()
    parts = dict(caught.value.details())
    assert {"object", "rule", "expected", "found", "next"} <= parts.keys()


def test_a_large_registry_spreads_its_roles_and_works_the_same():
    world = single(bits=3)
    world.grant_bob()
    for number in (1, 2):
        world.publish(world.release(Random(number), number))
    world.promote("1")
    found = world.view().resolve(PRODUCTION)
    assert (found.manifest.version, found.custody) == ("1", "2 custodians")
    assert list(world.view().paths("models")) == ["models/loans/1.json", "models/loans/2.json"]
    assert not world.view().role("models").targets


def test_a_large_registry_with_one_person_says_what_production_lacks():
    world = single(bits=3)
    world.publish(world.release(Random(1), 1))
    with pytest.raises(TrustError, match="too few keys"):
        world.promote("1", world.keys.ada)


def test_a_registry_without_an_id_asks_nothing_of_its_roles(world: World):
    """One that was founded before there were ids goes on as it was."""
    root, role = world.view().trusted.root, world.view().role("targets", "root")
    check_bound(role, "targets", root)
    other = ready(5)[0].view().trusted.root
    with pytest.raises(TrustError, match="of another registry"):
        check_bound(role, "targets", other)
    del other.unrecognized_fields["hauberk"]["id"]
    check_bound(role, "targets", other)
    bind(fresh := copy.deepcopy(role), other)
    assert fresh.unrecognized_fields == role.unrecognized_fields
    del role.unrecognized_fields["hauberk"]["registry"]
    with pytest.raises(TrustError, match="of another registry"):
        check_bound(role, "targets", root)
