"""IN-5: payloads in pieces, joined by the system behind a text model."""

from __future__ import annotations

from functools import cache
from random import Random

from hauberk.attacks.exchange.chain_payloads import ChainPayloads
from hauberk.controls.exchange.chained_payloads import ChainedPayloads
from hauberk.core.threat import ThreatId
from hauberk.formats.http import Call, json_call
from hauberk.guard.policy import GuardPolicy
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import clients, guarded
from hauberk.range.worlds.guarded import Guarded
from hauberk.range.worlds.joiners import Joining

CONTROL = ChainedPayloads()
SAME = ChainPayloads()
ACROSS = ChainPayloads(across=True)
SESSION = 4
"""Requests of one honest client."""

_POLICY = GuardPolicy(rate_per_s=1e9, burst=1e9, promote=frozenset({CONTROL.id}))
OK = 200


@cache
def _watched() -> Guarded:
    return guarded.parrot_watched(_POLICY, (CONTROL,))


def _later() -> Guarded:
    """The world, so much later that every session begins anew."""
    world = _watched()
    world.clock.now += 10 * CONTROL.memory_s
    return world


def _played(attack: ChainPayloads, seed: int) -> Trial:
    caught = not attack.play(Joining(door=_later().door), Random(seed)).succeeded
    open_ = attack.play(Joining(door=guarded.parrot().door), Random(seed))
    return Trial(
        values={"detected": caught},
        potent=open_.succeeded and bool(open_.facts["acts"]),
        false_alarm=_alarmed(seed),
    )


def _same(seed: int) -> Trial:
    return _played(SAME, seed)


def _across(seed: int) -> Trial:
    return _played(ACROSS, seed)


def _alarmed(seed: int) -> float:
    """Whether an honest client is refused anything in a session."""
    world, rng = _later(), Random(seed)
    calls = (_sentences(rng) for _ in range(SESSION))
    return float(any(world.door.call(call).status != OK for call in calls))


def _sentences(rng: Random) -> Call:
    if rng.random() < 0.3:  # noqa: PLR2004 - some of them are those of other scenarios
        return _unsunk(clients.ask_parrot(rng)[0])
    texts = [clients.sentence(rng) for _ in range(rng.randint(1, 4))]
    tensor = {"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": texts}
    return json_call(guarded.PARROT_PATH, clients.written({"inputs": [tensor]}))


def _unsunk(call: Call) -> Call:
    """Without a sink: what is answered is another question."""
    return json_call(call.path, b"".join(call.chunks))


SCENARIOS = (
    Scenario(
        threat=ThreatId("IN-5"),
        attack=SAME,
        control=CONTROL,
        play=_same,
        parts=(("detected", "same request"),),
        note="promoted; two to four fields of one request, plain, full width, with invisible "
        "signs or base64; potent where a system that joins them acts and acts on no piece alone",
    ),
    Scenario(
        threat=ThreatId("IN-5"),
        attack=ACROSS,
        control=CONTROL,
        play=_across,
        parts=(("detected", "across requests within the window"),),
        note="promoted; two or three requests with an honest one between two pieces; false "
        "alarms are honest sessions of 4 requests with any refusal",
    ),
)
