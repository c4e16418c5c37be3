"""What the attacks on served models send, and that they notice success."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from hauberk.attacks.exchange import exhaust_server, inject_output, smuggle_fields
from hauberk.attacks.exchange.chain_payloads import ChainPayloads
from hauberk.attacks.exchange.exhaust_server import ExhaustServer
from hauberk.attacks.exchange.inject_output import InjectOutput
from hauberk.attacks.exchange.smuggle_fields import SmuggleFields
from hauberk.attacks.exchange.soak_compute import SoakCompute
from hauberk.controls.exchange.chained_payloads import ChainedPayloads
from hauberk.formats.http import Answer, Call
from hauberk.guard import server
from hauberk.guard.app import App
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import open_service
from hauberk.range.worlds import guarded, readers, served
from hauberk.range.worlds.joiners import Joining
from hauberk.range.worlds.lenient import LenientDoor, repeat


@dataclass
class Wall:
    """Answers everything with one status and keeps what it was sent."""

    status: int = 400
    calls: list[Call] = field(default_factory=list)

    def call(self, call: Call) -> Answer:
        self.calls.append(call)
        return Answer(status=self.status)

    def together(self, calls: Iterable[Call]) -> tuple[Answer, ...]:
        return tuple(map(self.call, calls))


def test_at_least_three_hundred_smuggling_variants_differ():
    cases = smuggle_fields.variants(guarded.as_target(Wall()), Random(1))
    assert len({case.call for case in cases}) >= 300


def test_at_least_a_hundred_loads_differ():
    loads = ExhaustServer().loads(guarded.as_target(Wall()), Random(1))
    assert len({load.call for load in loads}) >= 100


def test_at_least_three_hundred_payloads_differ_and_each_sink_has_some():
    found = set(inject_output.payloads())
    assert len(found) >= 300
    assert {sink for sink, _ in found} == set(readers.READERS)


@pytest.mark.parametrize("status", [200, 500, 502])
def test_an_answer_or_a_breakdown_is_a_success_of_the_smuggler(status):
    one = SmuggleFields(count=1)
    assert one.play(guarded.as_target(Wall(status)), Random(1)).succeeded


@pytest.mark.parametrize("attack", [SmuggleFields(), ExhaustServer()])
def test_refusals_are_no_success(attack):
    assert not attack.play(guarded.as_target(Wall(400)), Random(1)).succeeded


def test_the_chosen_variant_is_sent_and_no_other():
    wall = Wall()
    replace(SmuggleFields(), first=7, count=2).play(guarded.as_target(wall), Random(1))
    assert len(wall.calls) == 2


def test_every_payload_is_acted_on_where_nothing_encodes():
    audience = guarded.Audience(door=LenientDoor(model=repeat))
    played = InjectOutput().play(audience, Random(1))
    assert len(played.facts["active"]) == played.queries


def test_no_payload_is_acted_on_behind_the_guard():
    played = InjectOutput().play(guarded.Audience(door=guarded.parrot().door), Random(1))
    assert played.facts["active"] == []


def test_a_payload_that_the_server_refused_reaches_nobody():
    assert not InjectOutput().play(guarded.Audience(door=Wall(400)), Random(1)).succeeded


def test_every_smuggling_variant_is_refused_by_the_guard():
    target = guarded.as_target(guarded.classifier().door)
    assert SmuggleFields().play(target, Random(2)).facts["passed"] == []


def test_every_load_is_refused_by_the_guard():
    target = guarded.as_target(guarded.classifier().door)
    assert ExhaustServer().play(target, Random(2)).facts["passed"] == []


def test_loads_and_trickles_are_refused_over_a_real_socket(tmp_path):
    policy = GuardPolicy(rate_per_s=1e9, burst=1e9, body_timeout_s=0.3, header_timeout_s=0.3)
    bundle = served.write_classifier(tmp_path / "b", policy)
    with server.running(App(open_service(bundle)), policy) as running:
        target = guarded.as_target(running.door)
        attack = ExhaustServer(slow=True, pause_s=0.05)
        few = replace(attack, first=90)  # the last of each kind, and all that trickle
        heard = few.play(target, Random(3))
        honest = running.door.call(
            Call(
                path=target.path,
                headers=(("content-type", "application/json"),),
                chunks=(target.sample,),
            )
        )
    assert heard.facts["passed"] == []
    assert honest.status == 200


def test_a_burst_is_cut_off_and_others_are_still_served(tmp_path):
    policy = GuardPolicy(rate_per_s=10.0, burst=20.0, slow_s=0.001)
    world = guarded.classifier(policy)
    world.clock.now += 1000
    sample = Call(
        path=guarded.CLASSIFIER_PATH,
        headers=(("content-type", "application/json"),),
        chunks=(guarded.SAMPLE,),
    )
    statuses = [world.door.call(sample).status for _ in range(400)]
    assert statuses.count(200) <= 20
    assert set(statuses) == {200, 429}


@pytest.mark.parametrize("sink", list(readers.READERS))
def test_readers_only_show_plain_words(sink):
    assert not readers.acts(sink, "approved")


def test_a_trickle_counts_as_refused_when_the_connection_ends():
    load = exhaust_server.Load(name="x", call=Call(path="/"), closes=True)
    assert exhaust_server.is_refusal(load, Answer(status=0))


def test_payloads_reach_the_model_as_json():
    wall = Wall()
    InjectOutput(count=1).play(guarded.Audience(door=wall), Random(1))
    assert json.loads(wall.calls[0].chunks[0])["inputs"][0]["name"] == "text"


def test_a_search_finds_inputs_that_cost_several_times_the_usual():
    door = guarded.early_exit().door
    heard = SoakCompute(floods=1).play(guarded.as_target(door), Random(1))
    assert heard.facts["ratio"] > 1.5


@pytest.mark.parametrize("across", [False, True])
def test_pieces_are_answered_and_act_where_a_system_joins_them(across):
    target = Joining(door=guarded.parrot().door)
    heard = [ChainPayloads(across=across).play(target, Random(seed)) for seed in range(12)]
    assert all(one.succeeded and one.facts["acts"] for one in heard)


@pytest.mark.parametrize("across", [False, True])
def test_pieces_are_stopped_where_the_control_is_promoted(across):
    control = ChainedPayloads()
    policy = GuardPolicy(promote=frozenset({control.id}))
    target = Joining(door=guarded.parrot_watched(policy, (control,)).door)
    heard = [ChainPayloads(across=across).play(target, Random(seed)) for seed in range(12)]
    assert not any(one.succeeded for one in heard)
