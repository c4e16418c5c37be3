"""A model of pictures behind the real guard, with accounts, and what its visitors own.

Two subjects: pictures of clothes (14 x 14) and handwritten digits (8 x 8). Of each, a third
trains the model, a third belongs to its honest clients, and a third to whoever attacks it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.core.artifact import Dataset, Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.ports import ClientState
from hauberk.formats.http import Answer, Call, json_call
from hauberk.formats.v2 import Datatype, Tensor
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema
from hauberk.guard import bundle as bundles
from hauberk.guard.answering import Local
from hauberk.guard.app import App
from hauberk.guard.bundle import Bundle
from hauberk.guard.desk import Surroundings
from hauberk.guard.identity import Holder
from hauberk.guard.loopback import ask
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import Service, open_local
from hauberk.methods import stream_reference
from hauberk.methods.network_reading import of_onnx
from hauberk.methods.oracles import REFUSED, Heard
from hauberk.methods.small_networks import Network, Recipe, one_hot, trained
from hauberk.range.worlds import crowds
from hauberk.trust.client_state import MemoryClientState

N_CLASSES = 10
MAX_TRAIN = 12_000
UNLIMITED = GuardPolicy(rate_per_s=1e9, burst=1e9)
_OK = 200
_PIXELS = 255.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """Pictures of 0 to 1 and what they show.

    Attributes:
        images: ``(n, side, side)`` float32.
        labels: ``(n,)`` classes 0 to 9.
    """

    images: Any
    labels: Any

    @property
    def rows(self) -> Any:
        """``(n, side * side)``."""
        return self.images.reshape(len(self.images), -1)

    def picked(self, places: Any) -> Pictures:
        """Some of them."""
        return Pictures(images=self.images[places], labels=self.labels[places])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Victim:
    """A trained model with three parts of its subject.

    Attributes:
        train: What it was trained on.
        honest: What honest clients show it.
        foe: What attackers own.
    """

    name: str
    network: Network
    train: Pictures
    honest: Pictures
    foe: Pictures

    @property
    def side(self) -> int:
        """Height and width of a picture."""
        return int(self.train.images.shape[1])


SUBJECTS = ("clothes", "digits")
CLOTHES, DIGITS = Recipe(hidden=96, epochs=8), Recipe(hidden=96, epochs=40)
"""How the models of the subjects are trained."""


def subject(seed: int) -> str:
    """Clothes for even seeds, digits for odd ones."""
    return SUBJECTS[seed % 2]


@cache
def pictures(name: str) -> Pictures:
    """All pictures of a subject, in a fixed random order.

    Raises:
        UnavailableError: The pictures of clothes are not installed.
    """
    if name == "digits":
        from sklearn.datasets import load_digits

        loaded = load_digits()
        images, labels = loaded.images / 16, loaded.target
    else:
        images, names = crowds.fashion()
        labels = np.unique(names, return_inverse=True)[1]
        images = images[:36_000] / _PIXELS
        labels = labels[:36_000]
    order = np.random.default_rng(7).permutation(len(images))
    # Files of pictures have 8 bits a pixel.
    grid = (images[order] * _PIXELS).round().astype(np.float32) / np.float32(_PIXELS)
    return Pictures(images=grid, labels=labels[order].astype(np.int64))


@cache
def victim(name: str, seed: int = 0) -> Victim:
    """The model of a subject; another seed gives another split and other weights."""
    known = pictures(name)
    rng = np.random.default_rng([seed, 11])
    order = rng.permutation(len(known.labels))
    parts = [known.picked(places) for places in np.array_split(order, 3)]
    train = parts[0].picked(slice(0, MAX_TRAIN))
    recipe = CLOTHES if name == "clothes" else DIGITS
    network = trained(train.rows, one_hot(train.labels, N_CLASSES), recipe, rng)
    return Victim(name=name, network=network, train=train, honest=parts[1], foe=parts[2])


@cache
def strangers(name: str) -> Any:
    """``(n, pixels)`` pictures of other things: photographs, and the other subject."""
    from sklearn.datasets import load_sample_images

    side = pictures(name).images.shape[1]
    rng = np.random.default_rng(13)
    crops = [
        _crop(photo.mean(axis=2) / _PIXELS, side, rng)
        for photo in load_sample_images().images
        for _ in range(1_500)
    ]
    other = pictures("clothes" if name == "digits" else "digits").images
    places = np.arange(side) * other.shape[1] // side
    others = other[:2_000][:, places][:, :, places]
    mixed = np.concatenate([np.array(crops), others]).reshape(-1, side * side)
    return rng.permutation(mixed).astype(np.float32)


def _crop(photo: Any, side: int, rng: np.random.Generator) -> Any:
    """A square of a photograph, as small as a picture."""
    size = int(rng.integers(side, 8 * side))
    top, left = rng.integers(0, photo.shape[0] - size), rng.integers(0, photo.shape[1] - size)
    places = np.arange(side) * size // side
    return photo[top + places][:, left + places]


# Behind the guard --------------------------------------------------------------------


def onnx_of(network: Network) -> bytes:
    """ONNX: ``x`` FP32 [rows, pixels] to ``scores`` FP32 [rows, classes]."""
    from onnx import TensorProto, helper, numpy_helper

    parts = {name: getattr(network, name) for name in ("w1", "b1", "w2", "b2")}
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["z"]),
        helper.make_node("Softmax", ["z"], ["scores"], axis=1),
    ]
    n_pixels, n_classes = network.w1.shape[0], network.w2.shape[1]
    graph = helper.make_graph(
        nodes,
        "pictures",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, n_pixels])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, n_classes])],
        [numpy_helper.from_array(part, name) for name, part in parts.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    raw: bytes = model.SerializeToString()
    return raw


def _schema(n_pixels: int) -> InputSchema:
    rules = tuple(Rule(name=f"p{number}", low=-1.0, high=2.0) for number in range(n_pixels))
    given = TensorSchema(name="x", datatype=Datatype.FP32, shape=(None, n_pixels), columns=rules)
    said = TensorSchema(name="scores", datatype=Datatype.FP32, shape=(None, N_CLASSES))
    return InputSchema(inputs=(given,), outputs=(said,), max_rows=1000)


def training_rows(model: Victim, n_rows: int = 3_000) -> Dataset:
    """Rows that the model was trained on, as images with labels."""
    from hauberk.range.subjects import images_with_labels

    images = (model.train.images[:n_rows] * _PIXELS).astype(np.uint8)
    labels = model.train.labels[:n_rows].astype(str)
    return images_with_labels(model.name, images, labels, label="label")


@cache
def _served(name: str, seed: int) -> tuple[Bundle, Local]:
    from hauberk.sketches.profile import profile_of

    model = victim(name, seed)
    served = onnx_of(model.network)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "bundle"
        digests = bundles.write(
            place,
            name="pictures",
            version="1",
            model=served,
            schema=_schema(model.side**2),
            profile=profile_of(training_rows(model, 200)).to_bytes(),
            reference=stream_reference.learn(model.train.rows, of_onnx(served)).to_bytes(),
        )
        bundle = bundles.load(place, verify=bundles.pinned(digests[bundles.MANIFEST]))
    return bundle, open_local(bundle)


class _ByName:
    """Whoever presents a word is who holds it; keys are not what is tried here."""

    def who(self, credential: str | None, peer: tuple[str, ...] = ()) -> Holder | None:
        del peer
        return None if credential is None else Holder(principal=credential, role="client")


@dataclass(slots=True)
class Prepared:
    """Memory of clients that begins as a copy of another; the copy costs nothing."""

    before: dict[tuple[str, str], bytes]
    own: dict[tuple[str, str], bytes | None] = field(default_factory=dict)

    def update(self, principal: str, key: str, change: Any) -> bytes | None:
        """Replace one value."""
        place = (principal, key)
        new: bytes | None = change(self.own.get(place, self.before.get(place)))
        self.own[place] = new
        return new

    def get(self, principal: str, key: str) -> bytes | None:
        """One value."""
        return self.own.get((principal, key), self.before.get((principal, key)))

    def all(self) -> dict[tuple[str, str], bytes]:
        """Everything, as a beginning for others."""
        kept = {place: value for place, value in self.own.items() if value is not None}
        return {**self.before, **kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """A model of pictures behind the guard; an `Oracle`."""

    victim: Victim
    app: App
    service: Service

    def ask(self, row: Any, account: int = 0) -> Heard:
        """One row, asked from an account."""
        return heard(asyncio.run(ask(self.app, call_of(row[None], f"a{account}"))))

    def call(self, call: Call) -> Answer:
        """One request of any form."""
        return asyncio.run(ask(self.app, call))

    def noted(self, control: str) -> int:
        """Requests of which a control said something."""
        counts = self.service.metrics.shadows.counts
        return sum(n for (name, _, _), n in counts.items() if name == control)

    def in_turn(self, rows: Iterable[Any], who: str) -> list[Answer]:
        """One row after another, from one client."""
        return asyncio.run(_in_turn(self.app, [call_of(row[None], who) for row in rows]))


async def _in_turn(app: App, calls: Sequence[Call]) -> list[Answer]:
    return [await ask(app, call) for call in calls]


def gallery(
    name: str,
    *,
    watches: tuple[Watch, ...] = (),
    state: ClientState | None = None,
    policy: GuardPolicy = UNLIMITED,
    seed: int = 0,
    key: bytes = b"k" * 32,
) -> Gallery:
    """The model of a subject behind the guard, with the named controls out of shadow."""
    bundle, answers = _served(name, seed)
    promoted = replace(policy, promote=frozenset(watch.id for watch in watches))
    world = Surroundings(
        keyring=_ByName(),
        state=state or MemoryClientState(),
        clock=lambda: 1e6,
        watches=watches,
        key=key,
    )
    service = Service(replace(bundle, policy=promoted), answers, world)
    return Gallery(victim=victim(name, seed), app=App(service), service=service)


def bundle_of(name: str, seed: int = 0) -> Bundle:
    """The bundle that is served."""
    return _served(name, seed)[0]


def exchange(model: Victim, row: Any, who: str) -> Exchange:
    """An answered request of one row, decoded as the guard hands it to controls."""
    scores = model.network.scores(row[None])
    output = Tensor(
        name="scores", datatype=Datatype.FP32, shape=scores.shape, values=scores[0].tolist()
    )
    rows = np.asarray(row, np.float64)[None]
    return Exchange(
        name="pictures", principal=who, at=1e6, request=b"", rows=rows, outputs=(output,)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A model with one control that is asked as the guard asks it, without the transport.

    Attributes:
        told: What the control said, by account.
    """

    victim: Victim
    control: Watch
    state: ClientState
    told: dict[str, Signal] = field(default_factory=dict)

    def ask(self, row: Any, account: int = 0) -> Heard:
        """One row; refused where the control blocks."""
        return self.asked(row, f"a{account}")

    def asked(self, row: Any, who: str) -> Heard:
        """One row from somebody by name."""
        one = exchange(self.victim, np.asarray(row, np.float32), who)
        signal = self.control.observe(one, self.state)
        if signal is not None:
            self.told.setdefault(who, signal)
            if signal.action is Action.BLOCK:
                return REFUSED
        scores = np.array((one.outputs or ())[0].values)
        return Heard(label=int(scores.argmax()), scores=scores)

    def bothers(self, rows: Iterable[Any], who: str) -> bool:
        """Whether the control says anything of a client's rows."""
        for row in rows:
            self.asked(row, who)
        return who in self.told


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsOnly:
    """A model whose answers are shaped to labels."""

    victim: Victim

    def ask(self, row: Any, account: int = 0) -> Heard:
        """The class on top."""
        del account
        return Heard(label=int(self.victim.network.labels(row[None])[0]))


def call_of(rows: Any, who: str) -> Call:
    """A request for ``(n_rows, n_pixels)`` from somebody."""
    body = {
        "inputs": [
            {
                "name": "x",
                "shape": list(rows.shape),
                "datatype": "FP32",
                "data": np.asarray(rows, np.float32).reshape(-1).tolist(),
            }
        ]
    }
    path = "/v2/models/pictures/infer"
    return json_call(path, json.dumps(body).encode(), {"authorization": who})


def heard(answer: Answer) -> Heard:
    """What an answer says of its first row."""
    if answer.status != _OK:
        return REFUSED
    output = json.loads(answer.body)["outputs"][0]
    scores = np.array(output["data"]).reshape(output["shape"])[0]
    return Heard(label=int(scores.argmax()), scores=scores)
