"""PI-4: secrets that a step was handed, written where others read."""

from __future__ import annotations

import hashlib
from random import Random

from hauberk.attacks.code.commit_secret import KINDS
from hauberk.attacks.pipeline.leak_secret import WAYS, LeakSecret
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.secret_steps import SecretHost

PI_4 = ThreatId("PI-4")
ATTACK = LeakSecret()
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _masked(seed: int) -> Trial:
    """One secret: printed in every way, and put into an output in one way."""
    rng = Random(seed)
    names = tuple(WAYS)
    secret = KINDS[sorted(KINDS)[seed % len(KINDS)]].make(rng)
    drawn = LeakSecret(place="output", ways=(names[seed % len(names)],))
    plays = ((ATTACK, names), (drawn, drawn.ways))
    bare, host = SecretHost(secret=secret, is_guarded=False), SecretHost(secret=secret)
    potent = all(
        set(ways) <= set(attack.play(bare, Random(seed)).facts["ways"]) for attack, ways in plays
    )
    leaks = [attack.play(host, Random(seed)).succeeded for attack, _ in plays]
    return Trial(
        values={"masked": not any(leaks)}, potent=potent, false_alarm=float(_alarm(host, rng))
    )


def _alarm(host: SecretHost, rng: Random) -> bool:
    """Whether a step that writes digests of its secret and ids of its length is disturbed."""
    raw = host.secret.encode()
    ids = ["".join(rng.choices(_LETTERS, k=len(host.secret))) for _ in range(20)]
    lines = [*ids, rng.randbytes(len(raw)).hex(), f"{len(raw)} bytes"]
    lines += [hashlib.new(name, raw).hexdigest() for name in ("sha256", "sha1", "md5")]
    text = "".join(f"row {line}\n" for line in lines)
    code = f"text = {text!r}\nprint(text, end='')\nopen({host.output!r}, 'w').write(text)\n"
    seen = host.run(code)
    return seen[0].decode() != text or seen[-1].decode() != text


SCENARIOS = (
    Scenario(
        threat=PI_4,
        attack=ATTACK,
        control="hauberk step",
        play=_masked,
        parts=(("masked", ""),),
        note=f"secrets of {len(KINDS)} kinds in turn; each printed in {len(WAYS)} forms and on the "
        "command line, and put into an output in one of the forms in turn: none may be readable "
        "in texts, statement or output; potent where every form gives the secret without the "
        "control; the forms are public ones, which the control knows too; the twin writes "
        "digests of the secret and random ids of its length",
    ),
)
