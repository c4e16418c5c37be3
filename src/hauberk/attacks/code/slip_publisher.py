"""A model fetched from a publisher that is named like a known one: see `SlipPublisher`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.formats.model_names import publishers
from hauberk.methods.code.planted import with_file

_AFFIXES = ("{}-official", "official-{}", "{}-team", "the-{}", "{}-org", "{}-models")
_MIN_LETTERS = 7
_LOADS = tuple(
    f"from {module} import {last}\n\n{line}\n"
    for module, last, line in (
        ("transformers", "AutoModel", "AutoModel.from_pretrained({name!r}, revision={commit!r})"),
        (
            "huggingface_hub",
            "snapshot_download",
            "snapshot_download({name!r})",
        ),
        ("sentence_transformers", "SentenceTransformer", "SentenceTransformer({name!r})"),
        ("huggingface_hub", "hf_hub_download", "hf_hub_download({name!r}, revision={commit!r})"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipPublisher(Transform[CodeTree]):
    """Fetch a model from an upload whose publisher is named like a known one.

    A letter lost, doubled, replaced or swapped with its neighbour, letters that look alike,
    another separator, a word that sounds official. The commit is pinned, to the attacker's bytes.

    References:
        MITRE ATLAS AML.T0010.003 and AML.T0060. Vu and others (2020), Typosquatting and
        combosquatting attacks on the Python ecosystem.
    """

    title: ClassVar[str] = "Fetch a model from a publisher named like a known one"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-6"),)
    subject: ClassVar[type] = CodeTree

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with a file that loads it; ``truth`` holds names, path and the twin's text."""
        known = sorted(name for name in publishers() if len(name) >= _MIN_LETTERS)
        target = rng.choice(known)
        owner = _slipped(target, rng)
        while owner in publishers() or owner == target:
            owner = _slipped(target, rng)
        model = rng.choice(("Llama-3-8B", "base-v2", "e5-large", "tiny-7b-chat"))
        commit = f"{rng.getrandbits(160):040x}"
        load = rng.choice(_LOADS)
        path = "src/fetch_model.py"
        text = load.format(name=f"{owner}/{model}", commit=commit)
        twin = load.format(name=f"{target}/{model}", commit=commit)
        file = SourceFile(name=path, path=Path(path), text=text)
        truth = {"path": path, "owner": owner, "target": target, "twin": twin}
        return Attacked(subject=with_file(subject, file), truth=truth)


def _slipped(name: str, rng: Random) -> str:
    place = rng.randrange(1, len(name))
    other = rng.choice("abcdefghijklmnopqrstuvwxyz")
    return rng.choice(
        (
            name[:place] + name[place + 1 :],
            name[:place] + name[place] * 2 + name[place + 1 :],
            name[:place] + other + name[place + 1 :],
            name[: place - 1] + name[place] + name[place - 1] + name[place + 1 :],
            name.replace("o", "0").replace("l", "1"),
            name.replace("m", "rn"),
            name.replace("-", "") if "-" in name else f"{name[:place]}-{name[place:]}",
            rng.choice(_AFFIXES).format(name),
        )
    )
