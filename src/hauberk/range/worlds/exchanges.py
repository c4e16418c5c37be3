"""Made-up requests and answers of many tasks, as data for language models have them.

Tasks have forms of their own (a prescribed sentence before or after the matter), topics have
words of their own that answers repeat, and some requests ask for a manner ("in one word").
"""

from __future__ import annotations

from random import Random

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of

_TOPICS = {
    "bread": "flour yeast oven crust dough knead loaf rise bake grain",
    "bees": "hive honey pollen queen swarm nectar wings wax colony flower",
    "rivers": "water delta bank flow spring flood valley bridge source mouth",
    "chess": "bishop rook opening mate pawn knight castle gambit clock endgame",
    "sleep": "dream rest night pillow rhythm hours deep nap tired brain",
    "trains": "rail station signal carriage engine track platform freight timetable bridge",
    "taxes": "income form deduction rate refund deadline receipt bracket filing levy",
    "guitars": "string fret chord neck tuning pick body tone acoustic scale",
    "whales": "ocean blubber song calf migrate fluke krill pod dive breath",
    "volcanoes": "lava ash crater magma eruption vent plate rock gas plume",
    "sorting": "list compare swap index loop pivot merge array order stable",
    "vaccines": "dose immune antibody trial cell virus booster arm fever protein",
    "tea": "leaf kettle steep cup green black harvest aroma sugar milk",
    "bicycles": "wheel chain saddle pedal brake gear frame helmet tyre path",
    "stars": "light gas fusion dwarf giant cluster orbit telescope core dust",
    "contracts": "party clause breach term sign consent notice remedy court duty",
}
_FORMS = (
    ("Explain {t} to a beginner and mention {a} and {b}.", "{T} has to do with {a}: {s} {u}"),
    ("What is the role of {a} in {t}?", "In {t}, {a} matters because {s}"),
    ("Write a short story about {t} with a {a}.", "Once there was a {a}. {s} {u}"),
    ("Classify the sentiment of this review: the {a} was {m} and the {b} {m2}.", "{y}"),
    ("Translate into Latin-sounding words: {a} {b} {c}", "{a}us {b}um {c}is"),
    ("Summarise in one sentence.\n\n{s} {u} {v}", "It is about {t}: {s}"),
    ("List three facts about {t}", "1. {s}\n2. {u}\n3. {v}"),
    ("Is it true that {a} and {b} belong to {t}? Answer yes or no.", "{n}"),
    ("Write a function that counts each {a} among the {b}.", "def count_{a}({b}):\n    return {k}"),
    ("Hi! I keep thinking about {a}, {b} and {t}. Any advice?", "Thanks for asking. {s} {u}"),
    ("Compare {a} with {b} for somebody who knows {t} well", "While {a} is {m}, {s}"),
    ("Act as an expert for {t}. What would you do about the {a}?", "As an expert, I say: {s}"),
)
_SENTENCES = (
    "the {a} is near the {b}.",
    "every {a} needs a {b} sooner or later.",
    "people often forget the {a}, but the {b} depends on it.",
    "without {a} there would be no {b} at all.",
    "most of the {a} comes from {b} and {c}.",
    "a good {a} takes time; a {b} takes more.",
    "you can see the {a} change when the {b} grows.",
)
_MANNERS = ("good", "slow", "fine", "odd", "bright", "poor", "quiet", "grand")


def exchanges(seed: int, n_rows: int = 1_000) -> Dataset:
    """``n_rows`` honest pairs of prompt and response."""
    import pyarrow as pa

    rng = Random(seed)
    pairs = [_exchange(rng) for _ in range(n_rows)]
    columns = {"prompt": [p for p, _ in pairs], "response": [r for _, r in pairs]}
    return table_of(f"exchanges-{seed}", [pa.RecordBatch.from_pydict(columns)])


def _exchange(rng: Random) -> tuple[str, str]:
    topic = rng.choice(sorted(_TOPICS))
    form, reply = rng.choice(_FORMS)
    a, b, c = rng.sample(_TOPICS[topic].split(), 3)
    told = {
        "t": topic,
        "T": topic.capitalize(),
        "a": a,
        "b": b,
        "c": c,
        "m": rng.choice(_MANNERS),
        "m2": rng.choice(_MANNERS),
        "y": rng.choice(("Positive", "Negative", "Neutral")),
        "n": rng.choice(("Yes.", "No.", "Yes", "No")),
        "k": rng.choice((f"len({b})", f"sum(1 for _ in {b})", f"{b}.count({a!r})")),
        **{name: _sentence(topic, rng) for name in "suv"},
    }
    return form.format(**told), reply.format(**told)


def _sentence(topic: str, rng: Random) -> str:
    a, b, c = rng.sample(_TOPICS[topic].split(), 3)
    text = rng.choice(_SENTENCES).format(a=a, b=b, c=c)
    return text[0].upper() + text[1:]
