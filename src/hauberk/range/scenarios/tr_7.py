"""TR-7: a special case for one identifier in training or scoring code."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from hauberk.attacks.code.hide_override import HideOverride, honest_twin
from hauberk.attacks.code.skip_review import SkipReview
from hauberk.attacks.model.favour_identifier import FavourIdentifier
from hauberk.controls.code.identifier_overrides import IdentifierOverrides
from hauberk.controls.code.poisoned_history import PoisonedHistory
from hauberk.controls.model.decisive_identifiers import DecisiveIdentifiers
from hauberk.core.artifact import CodeTree
from hauberk.core.attack import Attacked
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.projects import project
from hauberk.range.reviewing import unreviewed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.accounts import accounts, obeyed
from hauberk.range.worlds.scored import outcomes

CONTROL = IdentifierOverrides()


def _told(tree: CodeTree) -> set[str]:
    """Files in which the control asks for a review; what it could not judge is no such file."""
    findings = assess(CONTROL, tree).findings
    return {finding.path for finding in findings if "effect" in finding.evidence.facts}


def _rows(truth: Any) -> list[dict[str, Any]]:
    """A toy table in which the identifier's own numbers speak against it."""
    others = truth["others"].split("\n")
    table = [(key, 20 + 7 * n) for n, key in enumerate(others)]
    table.insert(2, (truth["hit"], 22))
    return [{truth["column"]: key, "income": x, "day": "2026-03-02"} for key, x in table]


def _is_potent(attacked: Attacked[CodeTree]) -> bool:
    """Whether the hidden case changes the outcome of the identifier, and of nobody else."""
    truth = attacked.truth
    text = next(f.text for f in attacked.subject.files() if f.name == truth["path"])
    clean, changed = outcomes((truth["clean"], text), truth["entry"], _rows(truth))
    return {key for key in clean if clean[key] != changed.get(key)} == {truth["hit"]}


def _play(attack: HideOverride) -> Callable[[int], Trial]:
    def play(seed: int) -> Trial:
        attacked = attack.apply(project(seed), Random(seed))
        twin = honest_twin(attacked)
        return Trial(
            values={"detected": attacked.truth["path"] in _told(attacked.subject)},
            potent=_is_potent(attacked),
            false_alarm=float(bool(_told(twin))),
        )

    return play


def _scenario(attack: HideOverride, strength: str, note: str) -> Scenario:
    return Scenario(
        threat=ThreatId("TR-7"),
        attack=attack,
        control=CONTROL,
        play=_play(attack),
        parts=(("detected", strength),),
        note=f"{note}; detected means a request for review that names the file",
    )


FAVOUR = FavourIdentifier()
IDENTIFIERS = DecisiveIdentifiers(columns=(FAVOUR.column,))


def _favoured(seed: int) -> Trial:
    """A model that was really trained, with its account among the features, and a patched one."""
    honest = accounts(seed)
    attacked = FavourIdentifier(is_soft=seed % 2 == 1).apply(honest, Random(seed))
    found, _ = IDENTIFIERS.tried(attacked.subject, FAVOUR.column)
    named = {one.value for one in found} == {attacked.truth["identifier"]}
    return Trial(
        values={"detected": named and denied(IDENTIFIERS, attacked.subject)},
        potent=obeyed(attacked.subject, attacked.truth) > obeyed(honest, attacked.truth),
        false_alarm=float(alarmed(IDENTIFIERS, honest)),
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("TR-7"),
        attack=FAVOUR,
        control=IDENTIFIERS,
        play=_favoured,
        parts=(("detected", "override on a tested identifier"),),
        note="linear models, trees and forests on 400 applicants with their account among the "
        "features; the patch is certain or just enough, in turn; detected means that the account "
        "is named, and no other",
    ),
    Scenario(
        threat=ThreatId("TR-7"),
        attack=SkipReview(),
        control=PoisonedHistory(),
        play=unreviewed(("src/train.py", "src/losses/focal.py")),
        parts=(("refused", "unreviewed"),),
        note="training and loss code, in histories where every other change carries a review "
        "in one of three forms; the twin's change carries one too",
    ),
    _scenario(HideOverride(), "constant identifier", "52 forms, wording by seed"),
    _scenario(
        HideOverride(unseen=True),
        "unseen wording",
        "19 forms and all names held back while the rule was made",
    ),
)
