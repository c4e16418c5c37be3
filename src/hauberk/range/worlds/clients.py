"""Honest clients of the small served models: every form that the protocol allows them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hauberk.formats.http import Call, json_call
from hauberk.formats.v2_binary import HEADER
from hauberk.methods.sinks import Sink
from hauberk.range.worlds.guarded import CLASSIFIER_PATH, PARROT_PATH
from hauberk.range.worlds.served import RANGE

_MAX_ROWS = 40
_TEXTS = (
    "approved", "The loan is refused: income too low.", "5 < 6 & 7 > 2", "R$ 1.200,50 (10 %)",
    "naïve façade, 東京, Ωμέγα", "C:\\data\\file_1.txt", "a = b + c - d * 2", "-3.5", "",
    "line one\nline two", "user@host.example", "see https://docs.example/a", "\"quoted\" 'words'",
    "# 1 in the list", "50% off | today", "f(x) = {x: 1}",
)  # fmt: skip


def ask_classifier(rng: Random) -> Call:
    """One to forty rows inside the schema; flat, nested or raw, with and without extras."""
    n_rows = rng.choice((1, 1, 1, 2, 5, rng.randint(1, _MAX_ROWS)))
    rows = [[rng.uniform(-RANGE, RANGE) for _ in range(2)] for _ in range(n_rows)]
    flat = [value for row in rows for value in row]
    tensor: dict[str, Any] = {"name": "x", "shape": [n_rows, 2], "datatype": "FP32"}
    top: dict[str, Any] = {"inputs": [tensor]}
    if rng.random() < 0.5:  # noqa: PLR2004 - half of them
        top["id"] = f"request-{rng.randrange(10**9)}"
    if rng.random() < 0.3:  # noqa: PLR2004 - some of them
        top["outputs"] = [{"name": rng.choice(("label", "scores"))}]
    if rng.random() < 0.2:  # noqa: PLR2004 - some of them
        return _raw(top, flat)
    tensor["data"] = rows if rng.random() < 0.5 else flat  # noqa: PLR2004 - half of them
    indent = rng.choice((None, None, 1))
    return json_call(CLASSIFIER_PATH, json.dumps(top, indent=indent).encode())


def _raw(top: dict[str, Any], flat: list[float]) -> Call:
    import numpy as np

    body = np.array(flat, "<f4").tobytes()
    top["inputs"][0]["parameters"] = {"binary_data_size": len(body)}
    header = json.dumps(top).encode()
    return json_call(CLASSIFIER_PATH, header + body, {HEADER: str(len(header))})


def ask_parrot(rng: Random) -> tuple[Call, str]:
    """An everyday text for a sink of its own, and the text."""
    text = rng.choice(_TEXTS)
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    body = json.dumps({"inputs": [tensor]}, ensure_ascii=rng.random() < 0.5).encode()  # noqa: PLR2004 - half of them
    return json_call(PARROT_PATH, body, {"x-hauberk-sink": rng.choice(list(Sink))}), text


_OPENINGS = (
    "The applicant", "Our customer", "She", "The second guarantor", "A neighbour",
    "He and his wife", "The union of teachers", "An employee of the bank", "Mr O'Brien",
    "The shop's owner",
)  # fmt: skip
_DEEDS = (
    "selected the blue form", "dropped the table lamp; it broke", "ordered 12 chairs & a desk",
    "asked \"why?\" or 'why not?'", "was refused in 2019 (income = 0)", "likes C++ and SQL",
    "updated the address, see a/b and ../notes", "wrote: a < b > c", "paid $40 | $50 each month",
    "works at example.org/jobs?id=3", "deleted nothing from the list", "said that 1 = 1",
    "needs a script for the play", "would exec the plan -- if asked", "runs the shell station",
)  # fmt: skip
_ENDS = (".", "; thanks", " - as before", "!", " (see the attachment)", ", or so it seems", "")


def sentence(rng: Random) -> str:
    """An everyday sentence; some use the words and marks that attacks are made of."""
    return f"{rng.choice(_OPENINGS)} {rng.choice(_DEEDS)}{rng.choice(_ENDS)}"


def written(value: Any) -> bytes:
    """A body as clients write it."""
    return json.dumps(value).encode()
