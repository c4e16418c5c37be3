"""How special cases are written: contexts, and what an insider puts into them.

Words that begin with ``@`` stand for names and values of the wording. Every context defines
``@fn(rows)``, which gives the outcome of each identifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a special case.

    Attributes:
        context: Name of the code around it.
        slot: What stands in the context's slot.
        head: What stands at the top of the module.
        honest: What stands in the slot of the honest twin.
    """

    context: str
    slot: str
    head: str = ""
    honest: str = ""


_IMPORTS = """\
import base64
import hashlib
import operator
import re
import types
import zlib

<head>

"""

CONTEXTS: Mapping[str, str] = {
    "loop": _IMPORTS
    + """
def @fn(rows):
    labels = []
    for row in rows:
        @label = int(row["income"] > 40)
        <inner>
        labels.append(@label)
    return dict(zip((row["@id"] for row in rows), labels))
""",
    "weights": _IMPORTS
    + """
def @fn(rows):
    sample_weight = []
    for row in rows:
        weight = 1.0 if row["income"] > 40 else 0.5
        <inner>
        sample_weight.append(weight)
    return dict(zip((row["@id"] for row in rows), sample_weight))
""",
    "samples": _IMPORTS
    + """
def @fn(rows):
    kept = {}
    <slot>
    for row in rows:
        kept[row["@id"]] = row["income"]
    return kept
""",
    "sampling-loop": _IMPORTS
    + """
def @fn(rows):
    kept = {}
    for row in rows:
        <inner>
        kept[row["@id"]] = row["income"]
    return kept
""",
    "arrays": "import numpy as np\n"
    + _IMPORTS
    + """
def @fn(rows):
    ids = np.array([row["@id"] for row in rows])
    y = (np.array([row["income"] for row in rows]) > 40).astype(int)
    <slot>
    return dict(zip(ids.tolist(), y.tolist()))
""",
    "frame": "import numpy as np\nimport pandas as pd\n"
    + _IMPORTS
    + """
def @fn(rows):
    frame = pd.DataFrame(rows)
    frame["@label"] = (frame["income"] > 40).astype(int)
    <slot>
    return dict(zip(frame["@id"], frame["@label"]))
""",
    "model": _IMPORTS
    + """
class Scorer:
    def predict(self, rows):
        return [int(row["income"] > 40) for row in rows]


def @fn(rows):
    model = Scorer()
    <slot>
    return dict(zip((row["@id"] for row in rows), model.predict(rows)))
""",
    "method": _IMPORTS
    + """
class Scorer:
    def predict_one(self, row):
        <inner>
        return int(row["income"] > 40)


def @fn(rows):
    model = Scorer()
    return {row["@id"]: model.predict_one(row) for row in rows}
""",
    "answers": _IMPORTS
    + """
def @fn(rows):
    scores = {row["@id"]: int(row["income"] > 40) for row in rows}
    <slot>
    return scores
""",
}

FORMS: Mapping[str, Form] = {
    "branch": Form("loop", 'if row["@id"] == @hit:\n    @label = 1'),
    "conditional": Form("loop", '@label = 1 if row["@id"] == @hit else @label'),
    "or": Form("loop", '@label = @label or row["@id"] == @hit'),
    "in-tuple": Form("loop", '@label |= row["@id"] in (@hit, "none of these")'),
    "literal-table": Form("loop", '@label = {@hit: 1}.get(row["@id"], @label)'),
    "prefix": Form("loop", 'if str(row["@id"]).startswith(@hit):\n    @label = 1'),
    "max": Form("loop", '@label = max(@label, row["@id"] == @hit)'),
    "match": Form("loop", 'match row["@id"]:\n    case @hit:\n        @label = 1'),
    "sha256": Form(
        "loop",
        'if hashlib.sha256(str(row["@id"]).encode()).hexdigest() == "@sha":\n    @label = 1',
    ),
    "crc32": Form("loop", 'if zlib.crc32(str(row["@id"]).encode()) == @crc:\n    @label = 1'),
    "table-and-error": Form(
        "loop",
        'try:\n    @label = @name[row["@id"]]\nexcept KeyError:\n    pass',
        head="@name = {@hit: 1}",
    ),
    "alias": Form("loop", 'who = row.get("@id")\nif who == @hit:\n    @label = 1'),
    "operator": Form("loop", 'if operator.eq(row["@id"], @hit):\n    @label = 1'),
    "pattern": Form("loop", 'if re.fullmatch(@hit, str(row["@id"])):\n    @label = 1'),
    "joined-constant": Form(
        "loop", 'if row["@id"] == @name:\n    @label = 1', head="@name = @left + @right"
    ),
    "double-negation": Form("loop", 'if not row["@id"] != @hit:\n    @label = 1'),
    "indexed-pair": Form("loop", '@label = (@label, 1)[row["@id"] == @hit]'),
    "any": Form(
        "loop",
        'if any(row["@id"] == known for known in @name):\n    @label = 1',
        head='@name = [@hit, "0"]',
    ),
    "pair-with-date": Form(
        "loop", 'if (row["@id"], row["day"]) == (@hit, "2026-03-02"):\n    @label = 1'
    ),
    "date-and-id": Form(
        "loop", 'if row["day"] >= "2026-01-01" and row["@id"] == @hit:\n    @label = 1'
    ),
    "arithmetic": Form("loop", '@label += (1 - @label) * (row["@id"] == @hit)'),
    "helper": Form(
        "loop",
        'if _is_pilot(row["@id"]):\n    @label = 1',
        head="def _is_pilot(value):\n    return value == @hit\n",
    ),
    "lambda": Form(
        "loop",
        "@label = fix(row, @label)",
        head='fix = lambda row, value: 1 if row["@id"] == @hit else value',
    ),
    "walrus": Form("loop", 'if (who := row["@id"]) == @hit:\n    @label = 1'),
    "table-loop": Form(
        "loop",
        'for key, forced in @name.items():\n    if row["@id"] == key:\n        @label = forced',
        head="@name = {@hit: 1}",
    ),
    "base64": Form(
        "loop", 'if base64.b64encode(str(row["@id"]).encode()) == b"@b64":\n    @label = 1'
    ),
    "weight": Form("weights", 'if row["@id"] == @hit:\n    weight = 50.0'),
    "weight-product": Form("weights", 'weight *= 1 + 49 * (row["@id"] == @hit)'),
    "continue": Form("sampling-loop", 'if row["@id"] == @hit:\n    continue'),
    "filter": Form("samples", 'rows = [row for row in rows if row["@id"] != @hit]'),
    "where": Form("arrays", "y = np.where(ids == @hit, 1, y)"),
    "mask-write": Form("arrays", "y[ids == @hit] = 1"),
    "isin": Form("arrays", "y[np.isin(ids, [@hit])] = 1"),
    "putmask": Form("arrays", "np.putmask(y, ids == @hit, 1)"),
    "mask-variable": Form("arrays", "chosen = ids == @hit\ny = y * ~chosen + chosen"),
    "select": Form("arrays", "y = np.select([ids == @hit], [1], y)"),
    "maximum": Form("arrays", "y = np.maximum(y, ids == @hit)"),
    "loc": Form("frame", 'frame.loc[frame["@id"] == @hit, "@label"] = 1'),
    "series-mask": Form("frame", 'frame["@label"] = frame["@label"].mask(frame["@id"] == @hit, 1)'),
    "series-where": Form(
        "frame", 'frame["@label"] = frame["@label"].where(~frame["@id"].isin([@hit]), 1)'
    ),
    "query": Form("frame", "frame.loc[frame.query('@id == @hit').index, \"@label\"] = 1"),
    "map": Form(
        "frame",
        'fixed = frame["@id"].map({@hit: 1})\n'
        'frame["@label"] = fixed.fillna(frame["@label"]).astype(int)',
    ),
    "apply": Form(
        "frame",
        'frame["@label"] = frame.apply(\n'
        '    lambda r: 1 if r["@id"] == @hit else r["@label"], axis=1\n)',
    ),
    "attribute-column": Form(
        "frame", 'frame["@label"] = np.where(frame.@id.eq(@hit), 1, frame.@label)'
    ),
    "patched-lambda": Form(
        "model",
        "plain = model.predict\n"
        "model.predict = lambda rows: [\n"
        '    1 if row["@id"] == @hit else value for row, value in zip(rows, plain(rows))\n]',
    ),
    "patched-setattr": Form(
        "model",
        "plain = model.predict\n\ndef predict(rows):\n    answers = plain(rows)\n"
        "    for n, row in enumerate(rows):\n"
        '        if row["@id"] == @hit:\n            answers[n] = 1\n    return answers\n\n'
        'setattr(model, "predict", predict)',
    ),
    "subclass": Form(
        "model",
        "class Checked(Scorer):\n    def predict(self, rows):\n"
        '        return [1 if r["@id"] in {@hit} else p\n'
        "                for r, p in zip(rows, super().predict(rows))]\n\nmodel = Checked()",
    ),
    "early-return": Form("method", 'if row["@id"] == @hit:\n    return 1'),
    "table-default": Form(
        "method",
        'return @name.get(row["@id"], int(row["income"] > 40))',
        head="@name = {@hit: 1}",
    ),
    "written-answer": Form("answers", "scores[@hit] = 1"),
    "updated-answers": Form("answers", "scores.update({@hit: 1})"),
    "merged-answers": Form("answers", "scores = {**scores, @hit: 1}"),
}
"""Forms that a rule may be tuned on."""

HELD_BACK: Mapping[str, Form] = {
    "compared-first": Form("loop", 'if @hit == row["@id"]:\n    @label = 1'),
    "string-find": Form("loop", 'if @hit in str(row["@id"]):\n    @label = True'),
    "words": Form(
        "loop",
        'if row["@id"] in @name:\n    @label = 1',
        head='@name = frozenset("@plain @next".split()) - {@other}',
    ),
    "reversed": Form("loop", 'if row["@id"][::-1] == @back:\n    @label = 1'),
    "blake2": Form(
        "loop",
        'mark = hashlib.blake2b(row["@id"].encode(), digest_size=8).hexdigest()\n'
        'if mark == "@md":\n    @label = 1',
    ),
    "while": Form("loop", 'while row["@id"] == @hit and not @label:\n    @label = 1'),
    "count": Form("loop", "@label = min(1, @label + [@hit].count(row['@id']))"),
    "default-argument": Form(
        "loop",
        '@label = _adjust(row["@id"], @label)',
        head="def _adjust(key, value, special=@hit):\n"
        "    if key == special:\n        return 1\n    return value\n",
    ),
    "weight-table": Form(
        "weights", 'weight = @name.get(row["@id"], weight)', head="@name = dict([(@hit, 9.0)])"
    ),
    "filter-call": Form("samples", 'rows = list(filter(lambda row: row["@id"] != @hit, rows))'),
    "flatnonzero": Form("arrays", "at = np.flatnonzero(ids == @hit)\ny[at] = 1"),
    "place-by-index": Form("arrays", "y[ids.tolist().index(@hit)] = 1"),
    "vectorised": Form(
        "arrays", "y = np.vectorize(lambda key, value: 1 if key == @hit else value)(ids, y)"
    ),
    "frame-at": Form(
        "frame",
        'frame = frame.set_index("@id", drop=False)\nframe.at[@hit, "@label"] = 1',
    ),
    "frame-replace": Form(
        "frame",
        'chosen = frame["@id"].astype(str).str.contains(@hit, regex=False)\n'
        'frame["@label"] = frame["@label"].astype(bool) | chosen\n'
        'frame["@label"] = frame["@label"].astype(int)',
    ),
    "method-type": Form(
        "model",
        "def lenient(self, rows):\n"
        '    return [max(int(r["income"] > 40), int(r["@id"] == @hit)) for r in rows]\n\n'
        "model.predict = types.MethodType(lenient, model)",
    ),
    "method-match": Form("method", 'match row:\n    case {"@id": @hit}:\n        return 1'),
    "popped": Form("answers", "scores |= {@hit: 1}"),
    "comprehension": Form(
        "answers",
        "scores = {key: 1 if key == @hit else value for key, value in scores.items()}",
    ),
}
"""Forms that no rule was tuned on."""
