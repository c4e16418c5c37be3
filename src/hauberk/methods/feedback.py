"""What accounts may teach a model: who pushes together, how much each counts, and the last gate.

Three steps between feedback and an update:

1. Whoever sends more than `CAP` median accounts is judged by so many of its rows alone: who votes
   often would else outvote the rest before anybody looks. Accounts whose errors no honest person
   makes and which all push one class at rows of others are a *push* where there are at least
   `TOGETHER` of them; their rows are left out.
2. No account counts for more than `CAP` times as much as the median account, whatever it sends.
3. The update is tried on canaries, rows whose truth is known. It is refused where it is worse on
   them beyond chance, where it moves a whole share of one class to another, which is what an
   attacker wants and what learning more hardly ever does, or where texts with one word or pair of
   words in common are answered worse, few as they may be.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any, Final

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.errors import UsageError
from hauberk.formats.rows import cell_texts
from hauberk.formats.tables import features_of
from hauberk.methods.crowd_data import Held, held
from hauberk.methods.embed import features, load

TOGETHER: Final = 3
CAP: Final = 2.0
MAX_MOVED: Final = 0.1
MAX_DROP: Final = 0.02
MIN_NET: Final = 4
MAX_WORSE: Final = 0.25
WIDTH: Final = 1024
_ALPHA = 0.01
_WORD = re.compile(r"\w+")
_MIN_RATE = 0.2
_MIN_MOVED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Accounts that push one class.

    Attributes:
        target: Code of the class.
        accounts: Codes of the accounts.
        p_value: The largest of theirs.
    """

    target: int
    accounts: tuple[int, ...]
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Accounts of a feedback stream, each heard alike.

    Attributes:
        found: What was found of them, on the rows that were heard.
        groups: Who pushes together.
        people: Name of the account behind each row of the whole stream.
    """

    found: Held
    groups: tuple[Push, ...]
    people: Any

    @property
    def blamed(self) -> Any:
        """Whether each row is of an account that pushes."""
        names = [self.found.names[one] for group in self.groups for one in group.accounts]
        return np.isin(self.people, names)


def judged(subject: Dataset, column: str, alpha: float = _ALPHA) -> Judged:
    """Who pushes together in the feedback of the accounts in ``column``.

    Raises:
        NotApplicable: There is no label, it is no class, or there are too few accounts or rows.
    """
    people = np.array(
        [
            text or ""
            for batch in subject.read()
            for text in cell_texts(batch.column(column)).to_pylist()
        ],
        object,
    ).astype(str)
    found = held(_heard(subject, people), column)
    return Judged(found=found, groups=tuple(pushes(found, alpha)), people=people)


def within_cap(people: Any, cap: float = CAP) -> Any:
    """Whether each row is among those of its account that count, spread over what it sent.

    Args:
        people: ``(n_rows,)`` account behind each row.
    """
    if not people.size:
        return np.empty(0, bool)
    _, codes = np.unique(people, return_inverse=True)
    counts = np.bincount(codes)
    most = max(1, int(cap * np.median(counts)))
    order = np.argsort(codes, kind="stable")
    place = np.arange(people.size) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.maximum(1.0, np.repeat(counts, counts) / most)
    kept = np.empty(people.size, bool)
    kept[order] = np.floor(place / step) != np.floor((place - 1) / step)
    return kept


def _heard(subject: Dataset, people: Any) -> Dataset:
    """The rows that count."""
    import pyarrow as pa

    kept = within_cap(people)

    def read() -> Iterator[Any]:
        begin = 0
        for batch in subject.read():
            end = begin + batch.num_rows
            yield batch.filter(pa.array(kept[begin:end]))  # type: ignore[attr-defined] # Arrow's own
            begin = end

    return replace(subject, read=read, digest=None)


def pushes(found: Held, alpha: float = _ALPHA) -> Iterator[Push]:
    """Groups of accounts that push one class each, the largest first."""
    crowd = found.crowd
    given = crowd.pairs[:, 1]
    strength = crowd.rates[np.arange(len(given)), crowd.pairs[:, 0], given]
    named = np.flatnonzero((crowd.p_values < alpha) & (strength >= _MIN_RATE))
    groups = {int(target): named[given[named] == target] for target in np.unique(given[named])}
    for target, accounts in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(accounts) >= TOGETHER:
            yield Push(
                target=target,
                accounts=tuple(accounts.tolist()),
                p_value=float(crowd.p_values[accounts].max()),
            )


def capped(people: Any, cap: float = CAP) -> Any:
    """Weight of each row, so that no account counts for more than ``cap`` median accounts.

    Args:
        people: ``(n_rows,)`` account behind each row, as names or codes.
    """
    _, codes = np.unique(people, return_inverse=True)
    counts = np.bincount(codes)
    most = cap * float(np.median(counts)) if codes.size else 1.0
    return np.minimum(1.0, most / np.maximum(counts, 1))[codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an update does to the canaries.

    Attributes:
        before: Accuracy of the model that serves.
        after: Accuracy of the update.
        moved: The largest net share of one class that the update gives to one other class.
        pair: That class and the other one.
        refused: Why it is not adopted; empty where it may be.
    """

    before: float
    after: float
    moved: float
    pair: tuple[int, int]
    refused: str


def tried(before: Any, after: Any, truth: Any, n_classes: int, shown: Any = None) -> Trial:
    """Hold an update against the model that serves, on canaries.

    Args:
        before: ``(n_canaries,)`` classes that the model that serves gives.
        after: The same of the update.
        truth: What is right.
        shown: ``(n_canaries, n_signs)``, where given: which signs (words, say) each canary has. An
            update that answers most canaries of one sign worse is refused, however few they are.
    """
    from scipy import stats

    worse = int(((before == truth) & (after != truth)).sum())
    better = int(((before != truth) & (after == truth)).sum())
    n_canaries = max(1, truth.size)
    moved, pair = _moved(before, after, truth, n_classes)
    p_value = stats.binom.sf(worse - 1, worse + better, 0.5) if worse else 1.0
    refused = ""
    if moved > MAX_MOVED:
        refused = "one class is moved to another"
    elif worse - better > MAX_DROP * n_canaries and p_value < 0.05:  # noqa: PLR2004 - by convention
        refused = "canaries are answered worse"
    elif shown is not None and _worse_signs(shown, before == truth, after == truth).any():
        refused = "canaries with one sign in common are answered worse"
    return Trial(
        before=float((before == truth).mean()) if truth.size else 0.0,
        after=float((after == truth).mean()) if truth.size else 0.0,
        moved=moved,
        pair=pair,
        refused=refused,
    )


def _worse_signs(shown: Any, was_right: Any, is_right: Any) -> Any:
    """Which signs have canaries that are answered worse, far more of them than others are."""
    from scipy import stats

    shown = np.asarray(shown, float)
    worse, better = was_right & ~is_right, is_right & ~was_right
    n_with, n_worse = shown.sum(axis=0), worse @ shown
    net = n_worse - better @ shown
    usual = max(float(worse.mean()), 1 / max(1, worse.size))
    p_values = stats.binom.sf(n_worse - 1, n_with, usual)
    is_many = (net >= MIN_NET) & (net >= MAX_WORSE * n_with)
    return is_many & (p_values < _ALPHA / max(1, shown.shape[1]))


def signs(texts: Sequence[str]) -> Any:
    """``(n_texts, WIDTH)``: which words and pairs of words texts have, hashed."""
    found = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in enumerate(texts):
        found[row, list(_places(text))] = 1.0
    return found


@lru_cache(maxsize=20_000)
def _places(text: str) -> tuple[int, ...]:
    words = _WORD.findall(text.casefold())
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    return tuple({zlib.crc32(word.encode()) % WIDTH for word in chain(words, pairs)})


def _moved(before: Any, after: Any, truth: Any, n_classes: int) -> tuple[float, tuple[int, int]]:
    size = (n_classes, n_classes)
    counts = [np.zeros(size), np.zeros(size)]
    for count, said in zip(counts, (before, after), strict=True):
        np.add.at(count, (truth, said), 1)
    gained = counts[1] - counts[0]
    np.fill_diagonal(gained, 0)
    gained[gained < _MIN_MOVED] = 0
    share = gained / np.maximum(counts[0].sum(axis=1, keepdims=True), 1)
    place = int(share.argmax())
    return float(share.flat[place]), (place // n_classes, place % n_classes)


def learner(x: Any, labels: Any, weights: Any) -> Any:
    """A plain model of what rows teach: logistic regression on scaled features."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fitted enough to compare
        return model.fit(x, labels, sample_weight=weights)


def gate(base: Dataset, feedback: Dataset, kept: Any, canaries: Dataset) -> Trial:
    """Try what the kept rows of a feedback stream teach, beside what is known, on canaries.

    A plain model stands for the one that serves: it learns what the rows say and nothing else.

    Args:
        kept: ``(n_rows,)`` whether each row of ``feedback`` would be learnt from.

    Raises:
        NotApplicable: There is nothing to compare rows by.
        UsageError: The tables have other columns.
    """
    parts = [base, feedback, canaries]
    rows = load(_joined(parts, base))
    x, ends = features(rows), np.cumsum([_length(part) for part in parts])
    known = rows.labels >= 0
    learnt = np.zeros(rows.n_rows, bool)
    learnt[: ends[0]] = True
    both = learnt.copy()
    both[ends[0] : ends[1]] = kept
    asked = np.arange(rows.n_rows) >= ends[1]
    before, after = (
        learner(x[use & known], rows.labels[use & known], np.ones(int((use & known).sum())))
        for use in (learnt, both)
    )
    asked &= known
    said = [model.predict(x[asked]) for model in (before, after)]
    shown = _shown(canaries)
    kept_signs = None if shown is None else shown[(rows.labels >= 0)[ends[1] :]]
    return tried(said[0], said[1], rows.labels[asked], len(rows.classes), kept_signs)


def _shown(canaries: Dataset) -> Any:
    """Signs of the texts of canaries; ``None`` where they have none."""
    import pyarrow as pa

    names = [column.name for column in features_of(canaries)]
    texts: list[str] = []
    for batch in canaries.read():
        columns = [batch.column(name) for name in names]
        found = [
            c for c in columns if pa.types.is_string(c.type) or pa.types.is_large_string(c.type)
        ]
        if not found:
            return None
        parts = zip(*(cell_texts(column).to_pylist() for column in found), strict=True)
        texts += [" ".join(part or "" for part in row) for row in parts]
    return signs(texts)


def _length(dataset: Dataset) -> int:
    return sum(int(batch.num_rows) for batch in dataset.read())


def _joined(parts: list[Dataset], like: Dataset) -> Dataset:
    """All parts as one table with the columns that models learn from."""
    names = [column.name for column in features_of(like)]
    if like.label is not None:
        names.append(like.label)
    for part in parts:
        missing = set(names) - {column.name for column in part.columns}
        if missing:
            raise UsageError(
                "a table lacks columns of the trusted rows",
                subject=part.name,
                expected=", ".join(names)[:200],
                found="without " + ", ".join(sorted(missing))[:200],
            )
    kept = tuple(column for column in like.columns if column.name in names)

    def read() -> Iterator[Any]:
        schema = next(iter(like.read())).select(names).schema  # type: ignore[attr-defined] # Arrow's own
        for part in parts:
            for batch in part.read():
                yield batch.select(names).cast(schema)  # type: ignore[attr-defined] # Arrow's own

    return Dataset(name="update", columns=kept, read=read, label=like.label)
