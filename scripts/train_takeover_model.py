"""Train the linear model of takeovers on texts that it composes, and write its weights.

What a takeover says is composed from ``instruction_families.toml``: who is addressed, which
authority is claimed, what is set aside, what is asked for, in which frame, language and tone, and
what ordinary text stands around it. Honest texts that come near are composed alike; documentation
strings, which give orders to people all the time, stand for documents. Half of the texts are read
as ideas alone, so that what is learnt does not hang on the words. ``--held-out`` leaves out whole
families and whole languages in turn and says how much of them is found.

The weights are small integers (`hauberk.methods.takeover_model`).
"""

# ruff: noqa: TID253, PLR2004 - a script with its own libraries, and shares of chance

from __future__ import annotations

import argparse
import ast
import base64
import importlib.util
import json
import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from hauberk.methods import takeover_model as model
from hauberk.methods.takeover_model import Head, Weights

OUT = Path(__file__).parents[1] / "src" / "hauberk" / "methods" / "takeover_model.json"
FAMILIES: Mapping[str, Any] = tomllib.loads(
    Path(__file__).with_name("instruction_families.toml").read_text("utf-8")
)
SLOTS = {name: choices.split("|") for name, choices in FAMILIES["slots"].items()}
PER_FAMILY = 500
SHARE_BLIND = 0.5
"""Share of texts that are read as ideas alone."""

PENALTY = 5.0
FALSE_ALARMS = 0.002
VERB_LAST = frozenset({"ja", "ko", "tr", "hi"})
_SLOT = re.compile(r"\[(" + "|".join(SLOTS) + r")\]")
_BETWEEN = (". ", " ", "\n", ", ", "! ", "; ")


def made(pattern: str, rng: Random) -> str:
    """One text of a pattern."""
    while found := _SLOT.search(pattern):
        pattern = pattern[: found.start()] + rng.choice(SLOTS[found[1]]) + pattern[found.end() :]
    return pattern


def _joined(parts: Sequence[str], rng: Random) -> str:
    text = rng.choice(_BETWEEN).join(parts)
    chance = rng.random()
    return text.upper() if chance < 0.06 else text[0].upper() + text[1:] if chance < 0.6 else text


def _several(patterns: Sequence[str], most: int, rng: Random) -> list[str]:
    return [made(rng.choice(patterns), rng) for _ in range(rng.randint(1, most))]


def takeovers(family: str, held: frozenset[str], rng: Random) -> Iterator[str]:
    """Texts of one family, some with a second one or with an honest sentence."""
    table = FAMILIES["takeover"]
    others = [name for name in table if name not in held]
    for _ in range(PER_FAMILY):
        parts = _several(table[family], 1 + (rng.random() < 0.25), rng)
        if rng.random() < 0.25:
            parts.insert(
                rng.randint(0, len(parts)), made(rng.choice(table[rng.choice(others)]), rng)
            )
        if rng.random() < 0.35:
            parts.insert(
                rng.randint(0, len(parts)), made(rng.choice(FAMILIES["honest"]["user"]), rng)
            )
        yield _joined(parts, rng)


def planted(family: str, rng: Random) -> Iterator[str]:
    """Texts of one family that stand in documents, half of them beside honest ones."""
    for _ in range(PER_FAMILY):
        parts = _several(FAMILIES["planted"][family], 2, rng)
        if rng.random() < 0.5:
            extra = made(rng.choice(FAMILIES["honest"]["document"]), rng)
            parts.insert(rng.randint(0, len(parts)), extra)
        yield _joined(parts, rng)


def spoken(language: str, rng: Random) -> Iterator[str]:
    """Takeovers in one language."""
    said = {name: told.split("|") for name, told in FAMILIES["languages"][language].items()}
    for _ in range(PER_FAMILY // 4):
        one = {name: rng.choice(choices) for name, choices in said.items()}
        dropped, shown = [one["drop"], one["rules"]], [one["show"], one["secret"]]
        if language in VERB_LAST:
            dropped.reverse()
            shown.reverse()
        setting, asking = " ".join(dropped), " ".join(shown)
        parts = rng.choice(
            ([setting], [asking], [one["persona"]], [setting, asking], [setting, one["persona"]])
        )
        yield _joined([one["honest"], *parts] if rng.random() < 0.2 else parts, rng)


def honest(rng: Random) -> tuple[list[str], list[str]]:
    """What honest users write, and what stands in honest documents."""
    table, languages = FAMILIES["honest"], FAMILIES["languages"].values()
    said = [_joined(_several(table["user"], 4, rng), rng) for _ in range(PER_FAMILY * 6)]
    for told in languages:
        lines = told["honest"].split("|")
        said += [_joined(_several(lines, 2, rng), rng) for _ in range(PER_FAMILY // 6)]
    kept = [_joined(_several(table["document"], 4, rng), rng) for _ in range(PER_FAMILY * 4)]
    return said, kept


def documented(count: int, rng: Random) -> list[str]:
    """Paragraphs of documentation strings: of the standard library, and of libraries of ours."""
    roots = [Path(sysconfig.get_path("stdlib"))]
    for name in ("numpy", "scipy", "sklearn"):
        found = importlib.util.find_spec(name)
        if found and found.origin:
            roots.append(Path(found.origin).parent)
    files = [file for root in roots for file in sorted(root.glob("*.py"))]
    files += [file for root in roots[1:] for file in sorted(root.glob("*/*.py"))]
    rng.shuffle(files)
    parts: set[str] = set()
    for file in files:
        if "test" not in file.name and len(parts) < 2 * count:
            parts.update(_paragraphs(file))
    return rng.sample(sorted(parts), min(count, len(parts)))


def _paragraphs(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8", "replace"))):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            for part in (ast.get_docstring(node) or "").split("\n\n"):
                if 20 < len(part) < 900:
                    yield part


def _read(text: str, head: Head, rng: Random) -> set[int]:
    cut = list(model.windows(text, head))
    window = cut[0] if head is Head.USER and rng.random() < 0.5 else rng.choice(cut)
    ideas = model.idea_places(window)
    if len(ideas) > 2 and rng.random() < SHARE_BLIND:
        return ideas
    return ideas | model.word_places(window)


def _matrix(rows: Sequence[set[int]]) -> csr_matrix:
    values = [1.0 / max(1.0, len(row)) ** 0.5 for row in rows for _ in row]
    columns = [place for row in rows for place in sorted(row)]
    starts = np.cumsum([0, *map(len, rows)])
    return csr_matrix((values, columns, starts), shape=(len(rows), model.N_PLACES))


def fitted(hostile: Sequence[str], clean: Sequence[str], head: Head, rng: Random) -> Weights:
    """One head; what is hostile is read whole, as a part of it may be honest."""
    rows = [_read(text, Head.USER, rng) for text in hostile]
    rows += [_read(text, head, rng) for text in clean]
    labels = [1] * len(hostile) + [0] * len(clean)
    found = LogisticRegression(C=PENALTY, solver="liblinear").fit(_matrix(rows), labels)
    scale = 127 / np.abs(found.coef_).max()
    return Weights(
        places=np.round(found.coef_[0] * scale).astype(int).tolist(),
        scale=round(float(scale), 6),
        bias=round(float(found.intercept_[0]), 6),
    )


def trained(rng: Random, held: frozenset[str] = frozenset()) -> dict[Head, Weights]:
    """Both heads, without the families and languages that are held out."""
    users = [
        text
        for name in FAMILIES["takeover"]
        if name not in held
        for text in takeovers(name, held, rng)
    ]
    users += [
        text for name in FAMILIES["languages"] if name not in held for text in spoken(name, rng)
    ]
    documents = [
        text for name in FAMILIES["planted"] if name not in held for text in planted(name, rng)
    ]
    said, kept = honest(rng)
    many = documented(PER_FAMILY * 10, rng)
    few = many[: PER_FAMILY * 5]
    return {
        Head.USER: fitted(users, said + few, Head.USER, rng),
        Head.DOCUMENT: fitted(
            users + documents, kept + 3 * many + said[:PER_FAMILY], Head.DOCUMENT, rng
        ),
    }


def _level(weights: Weights, head: Head, texts: Sequence[str]) -> float:
    return float(
        np.quantile([model.margin(text, head, weights) for text in texts], 1 - FALSE_ALARMS)
    )


def _held_out(chosen: Sequence[str]) -> None:
    told = {
        **dict.fromkeys(FAMILIES["takeover"], Head.USER),
        **dict.fromkeys(FAMILIES["planted"], Head.DOCUMENT),
        **dict.fromkeys(FAMILIES["languages"], Head.USER),
    }
    fresh = honest(Random(99))
    for name in chosen or told:
        head = told[name]
        rng = Random(20261)
        heads = trained(rng, frozenset({name}))
        if name in FAMILIES["takeover"]:
            texts = [made(pattern, rng) for pattern in FAMILIES["takeover"][name] for _ in range(8)]
        elif name in FAMILIES["planted"]:
            texts = [made(pattern, rng) for pattern in FAMILIES["planted"][name] for _ in range(8)]
        else:
            texts = list(spoken(name, rng))
        level = _level(heads[head], head, fresh[head is Head.DOCUMENT])
        found = np.mean([model.margin(text, head, heads[head]) > level for text in texts])
        print(f"{name} ({head}): {found:.2f} of {len(texts)} at {FALSE_ALARMS} false alarms")


def main() -> int:
    """Train, and write the weights or say how it does on what it has not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--held-out",
        nargs="*",
        metavar="NAME",
        help="hold out these families or languages in turn, or each",
    )
    args = parser.parse_args()
    if args.held_out is not None:
        _held_out(args.held_out)
        return 0
    value = {
        head.value: {
            "scale": one.scale,
            "bias": one.bias,
            "weights": base64.b64encode(np.array(one.places, dtype=np.int8).tobytes()).decode(),
        }
        for head, one in trained(Random(20260)).items()
    }
    OUT.write_text(json.dumps({"schema": 1, **value}, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
