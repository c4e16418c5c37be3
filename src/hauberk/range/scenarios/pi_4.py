"""PI-4: secrets that a step was handed, written where others read."""

from __future__ import annotations

import hashlib
import io
import json
from random import Random

from hauberk.attacks.code.commit_secret import KINDS
from hauberk.attacks.pipeline.leak_secret import WAYS, LeakSecret
from hauberk.core.threat import ThreatId
from hauberk.methods.leaks import leaks
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.left_behind import ALL_KINDS, PLACES, credential, lookalike
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


def _told(data: bytes) -> list[str]:
    """What the look through an output tells, as `hauberk step` does it."""
    return [leak.text for leak in leaks(io.BytesIO(data))]


def _left(seed: int) -> Trial:
    """A credential that nobody handed out, in one output; the twin holds a look-alike."""
    rng = Random(seed)
    write = PLACES[sorted(PLACES)[seed % len(PLACES)]]
    name, value = credential(rng, rng.choice(ALL_KINDS))
    data = write(name, value, rng)
    told = _told(data)
    return Trial(
        values={"recall": float(any(text in value or value in text for text in told))},
        potent=value.encode() in data or _json_of(value) in data,
        false_alarm=float(bool(_told(write(*lookalike(rng), rng)))),
    )


def _json_of(value: str) -> bytes:
    """How the value stands in a file of JSON."""
    return json.dumps(value)[1:-1].encode()


def _one_of_many(seed: int) -> Trial:
    """One of the findings over outputs with credentials and four times as many look-alikes."""
    rng = Random(seed)
    found: list[bool] = []
    values = []
    for number in range(40):
        write = PLACES[rng.choice(sorted(PLACES))]
        is_planted = number % 5 == 0
        name, value = credential(rng, rng.choice(ALL_KINDS)) if is_planted else lookalike(rng)
        values += [value] if is_planted else []
        told = _told(write(name, value, rng))
        found += [is_planted and (text in value or value in text) for text in told]
    return Trial(values={"precision": float(rng.choice(found)) if found else 0.0}, potent=True)


SCENARIOS = (
    Scenario(
        threat=PI_4,
        attack="credentials left in outputs",
        control="hauberk step",
        play=_left,
        parts=(("recall", ""),),
        note=f"{len(set(ALL_KINDS)) - 1} kinds of issuers and random letters, under names that say "
        "what they are, in logs, dumps of the environment, notebooks, settings, reports, pickles "
        "and metadata of models; potent where the credential can be read there",
    ),
    Scenario(
        threat=PI_4,
        attack="credentials left in outputs",
        control="hauberk step",
        play=_one_of_many,
        parts=(("precision", ""),),
        note="one finding drawn from those over 8 credentials and 32 look-alikes: digests, ids, "
        "placeholders, names of files and columns",
    ),
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
