"""IN-3: pictures hidden for a resizer, printed patches, and prompts, each in one input."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np

from hauberk.attacks.exchange.craft_picture import Canvas, CraftPicture
from hauberk.attacks.exchange.take_over import TakeOver
from hauberk.controls.exchange.adversarial_inputs import AdversarialInputs
from hauberk.controls.exchange.injected_prompts import InjectedPrompts
from hauberk.core.artifact import Exchange
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import pictures, prompts
from hauberk.range.worlds.pictures import Victim
from hauberk.trust.client_state import MemoryClientState

ATTACK = CraftPicture()
CONTROL = AdversarialInputs()
PATCH = replace(ATTACK, technique="patch")
PROMPT = TakeOver()
READER = InjectedPrompts()
SURE = 0.7


def canvas(model: Victim, seed: int) -> Canvas:
    """A picture that the model is right about, with another one to hide in a large one."""
    rng = np.random.default_rng([seed, 4])
    labels, right = model.foe.labels, _right(model.name)
    place = rng.choice(right)
    other = rng.choice(right[labels[right] != labels[place]])
    return Canvas(
        network=model.network,
        image=model.foe.images[place],
        label=int(labels[place]),
        large=_large(model, model.foe.images[place], rng),
        hidden=model.foe.images[other],
    )


@cache
def _right(name: str) -> Any:
    """Places of pictures that the model is right about and sure of."""
    model = pictures.victim(name)
    scores = model.network.scores(model.foe.rows[:3000])
    is_right = scores.argmax(axis=1) == model.foe.labels[:3000]
    return np.flatnonzero(is_right & (scores.max(axis=1) > SURE))


def _large(model: Victim, image: Any, rng: np.random.Generator) -> Any:
    """The picture in the size of a camera: enlarged, on the ground of a photograph."""
    factor = int(rng.integers(6, 17))
    side = model.side * factor
    ground = _ground(side, rng)
    places = np.minimum(np.arange(side) / factor, model.side - 1)
    low = places.astype(int)
    high, share = np.minimum(low + 1, model.side - 1), (places - low)[:, None]
    tall = (1 - share) * image[low] + share * image[high]
    shown = (1 - share.T) * tall[:, low] + share.T * tall[:, high]
    noise = rng.normal(0, rng.uniform(0, 0.02), shown.shape)
    return np.clip(np.maximum(shown, 0.4 * ground) + noise, 0, 1).astype(np.float32)


@cache
def _photos() -> tuple[Any, ...]:
    from sklearn.datasets import load_sample_images

    return tuple(photo.mean(axis=2) / 255 for photo in load_sample_images().images)


def _ground(side: int, rng: np.random.Generator) -> Any:
    photo = _photos()[int(rng.integers(2))]
    top, left = (int(rng.integers(0, length - side)) for length in photo.shape)
    return photo[top : top + side, left : left + side]


def says(control: AdversarialInputs, picture: Any) -> bool:
    """Whether the control says anything of one picture."""
    row = np.asarray(picture, np.float64).reshape(1, -1)
    one = Exchange(name="pictures", principal="p", at=0.0, request=b"", rows=row)
    fitted = replace(control, shape=picture.shape)
    return fitted.observe(one, MemoryClientState()) is not None


@cache
def fitted(name: str) -> AdversarialInputs:
    """The control as the guard sets it up for a model."""
    found = CONTROL.fitted(pictures.bundle_of(name))
    if not isinstance(found, AdversarialInputs):
        raise TypeError(found)
    return found


def _hidden(seed: int) -> Trial:
    made = canvas(pictures.victim(pictures.subject(seed)), seed)
    heard = ATTACK.play(made, Random(seed))
    return Trial(
        values={"detected": says(CONTROL, heard.facts["picture"])},
        potent=heard.succeeded,
        false_alarm=says(CONTROL, made.large),
    )


def _printed(seed: int) -> Trial:
    name = pictures.subject(seed)
    model = pictures.victim(name)
    made = canvas(model, seed)
    heard = PATCH.play(made, Random(seed))
    visitor = model.honest.images[
        np.random.default_rng([seed, 5]).integers(len(model.honest.images))
    ]
    return Trial(
        values={"detected": says(fitted(name), heard.facts["picture"])},
        potent=heard.succeeded,
        false_alarm=says(fitted(name), visitor),
    )


def _named(text: str) -> bool:
    """Whether the control says anything of one message of a user."""
    value = {"model": "m", "messages": [{"role": "user", "content": text}]}
    one = Exchange(name="m", principal="p", at=0.0, request=json.dumps(value).encode())
    return READER.observe(one, MemoryClientState()) is not None


def _prompted(seed: int) -> Trial:
    rng = Random(seed)
    text = PROMPT.prompt(rng)[2]
    return Trial(
        values={"detected": _named(text)}, potent=True, false_alarm=_named(prompts.honest(rng))
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("IN-3"),
        attack=ATTACK,
        control=CONTROL,
        play=_hidden,
        parts=(("detected", "scaling attack"),),
        note="promoted from shadow; pictures of 48 to 224 pixels with photographs behind them; "
        "read by the nearest pixel or by four",
    ),
    Scenario(
        threat=ThreatId("IN-3"),
        attack=PATCH,
        control=CONTROL,
        play=_printed,
        parts=(("detected", "patch"),),
        trials=600,
        note="promoted from shadow; printed squares of 4 x 4 pixels, on clothes of 14 x 14 and "
        "digits of 8 x 8",
    ),
    Scenario(
        threat=ThreatId("IN-3"),
        attack=PROMPT,
        control=READER,
        play=_prompted,
        parts=(("detected", "held-out template families"),),
        trials=300,
        note="promoted from shadow; 15 families of wordings that avoid the usual words on purpose, "
        "four of their languages not trained on, three of ten disguised; what others have "
        "written is in docs/chat-guard.md",
    ),
)
