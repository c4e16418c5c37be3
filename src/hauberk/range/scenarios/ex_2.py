"""EX-2: finished models edited by hand, before they are signed and after."""

from __future__ import annotations

import copy
import pickle
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.edit_weights import WAYS, EditWeights, Finished
from hauberk.controls.model.hidden_logic import HiddenLogic
from hauberk.core.artifact import Evaluation
from hauberk.core.threat import ThreatId
from hauberk.methods.network_reading import of_sklearn
from hauberk.methods.weight_changes import weights_of_sklearn
from hauberk.range.outcomes import refuses
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.networks import Grown, evaluation, judged, perceptron, split
from hauberk.trust.keys import generate
from hauberk.trust.oms.verification import sign_model, verify_model

EX_2 = ThreatId("EX-2")
ATTACK = EditWeights()
CONTROL = HiddenLogic()
_WIDTHS = (24, 32, 48, 64)
_LEAF = tuple(WAYS).index("leaf")
_WORKS, _GAIN, _LOSS = 0.3, 0.25, 0.06


def _versions(seed: int) -> tuple[Finished, Any, Any]:
    """A finished model with its editor's rows, an honest next version, and rows to judge on."""
    train, truth, test, labels = split(seed, 1000, 300)
    if seed % len(WAYS) == _LEAF:
        from sklearn.tree import DecisionTreeClassifier

        model = DecisionTreeClassifier(max_depth=10, random_state=seed % 2**32)
        honest = copy.deepcopy(model).fit(train, truth)
        model.fit(train[:700], truth[:700])
    else:
        width = _WIDTHS[seed // len(WAYS) % len(_WIDTHS)]
        model = perceptron(train[:700], truth[:700], seed, width=width)
        honest = copy.deepcopy(model).set_params(batch_size=32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            honest.partial_fit(train, truth)
    return Finished(model=model, rows=train, labels=truth), honest, (test, labels)


def _edited(seed: int) -> tuple[Finished, Any, Any, Any]:
    finished, honest, test = _versions(seed)
    before = finished.model
    EditWeights(way=tuple(WAYS)[seed % len(WAYS)]).play(finished, Random(seed))
    return finished, before, honest, test


def _before_signing(seed: int) -> Trial:
    """The edited version and an honest one, each against the version before."""
    finished, before, honest, (rows, labels) = _edited(seed)
    scores = [
        CONTROL.suspicion(_against(model, before, rows, labels)).score
        for model in (finished.model, honest)
    ]
    return Trial(
        values={"model_auroc": scores[0] > scores[1]},
        potent=_works(finished, before, rows, labels),
        false_alarm=float(scores[1] >= CONTROL.threshold),
    )


def _against(model: Any, before: Any, rows: Any, labels: Any) -> Evaluation:
    if hasattr(model, "tree_"):
        new, old = (Grown(model=one, weights=weights_of_sklearn(one)) for one in (model, before))
        return replace(judged(new, rows, labels), previous=old)
    subject = evaluation(of_sklearn(model), rows, labels)
    return replace(subject, previous=evaluation(of_sklearn(before), rows, labels).predictor)


def _works(finished: Finished, before: Any, rows: Any, labels: Any) -> bool:
    others = finished.condition(rows[labels != finished.target])
    after, usual = (
        float((model.predict(others) == finished.target).mean())
        for model in (finished.model, before)
    )
    lost = float((before.predict(rows) == labels).mean()) - float(
        (finished.model.predict(rows) == labels).mean()
    )
    return after >= _WORKS and after - usual >= _GAIN and lost <= _LOSS


def _after_signing(seed: int) -> Trial:
    """The same edits to a model that its owner has signed."""
    finished, before, _, _ = _edited(seed)
    owner = generate()
    keys = {owner.public.key_id: owner.public}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        folder.mkdir()
        file, signature = folder / "model.pkl", folder / "model.sig"
        file.write_bytes(pickle.dumps(before))
        signature.write_bytes(sign_model(folder, signature, [owner], workers=1))
        alarm = refuses(lambda: verify_model(folder, signature, keys, workers=1))
        signed = file.read_bytes()
        file.write_bytes(pickle.dumps(finished.model))
        refused = refuses(lambda: verify_model(folder, signature, keys, workers=1))
        changed = file.read_bytes() != signed
    return Trial(values={"refused": refused}, potent=changed, false_alarm=float(alarm))


SCENARIOS = (
    Scenario(
        threat=EX_2,
        attack=ATTACK,
        control="a model's signature",
        play=_after_signing,
        parts=(("refused", "after signing"),),
        note="an idle unit made a detector, 20 flipped bits, a leaf's answer, one epoch on rows "
        "with a mark: in turn, in a file that its owner signed",
    ),
    Scenario(
        threat=EX_2,
        attack=ATTACK,
        control=CONTROL,
        play=_before_signing,
        parts=(("model_auroc", "before signing"),),
        trials=64,
        note="the same edits in turn, of networks of 24 to 64 hidden units and of trees, each "
        "against an honest next version: one more epoch, or a tree grown from more rows; potent "
        "where the hidden condition gives its class to 30 % of the other rows or more",
    ),
)
