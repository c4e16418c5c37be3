"""Rules of method in training and evaluation code, and the words that tell test rows."""

from __future__ import annotations

import re

from hauberk.methods.code.rules import rule
from hauberk.methods.expressions import expression

_SPLIT_FIRST = "Split first; fit on the training part only, or inside of a pipeline."

FITTED = rule(
    "leaky-evaluation/fitted-before-split",
    "high",
    "fits a transformation on all rows before they are split",
    _SPLIT_FIRST,
    "CWE-1426",
)
STATISTIC = rule(
    "leaky-evaluation/statistic-before-split",
    "high",
    "uses a statistic of all rows before they are split",
    _SPLIT_FIRST,
    "CWE-1426",
)
RESAMPLED = rule(
    "leaky-evaluation/resampled-before-split",
    "high",
    "draws or makes rows before the split, so that copies lie on both sides",
    "Split first; resample the training part only.",
    "CWE-1426",
)
FIT_ON_TEST = rule(
    "leaky-evaluation/fit-on-test",
    "high",
    "fits on rows of the test set",
    "Fit on the training part; transform the test part with what was fitted.",
    "CWE-1426",
)
STOPPED = rule(
    "leaky-evaluation/stopped-on-test",
    "high",
    "decides when to stop, or which model to keep, by the test set",
    "Take a validation part out of the training rows for that.",
    "CWE-1426",
)
SELECTED = rule(
    "leaky-evaluation/selected-on-test",
    "high",
    "keeps the best of several tries by their result on the test set",
    "Choose on a validation part; look at the test set once.",
    "CWE-1426",
)
DROPPED = rule(
    "leaky-evaluation/dropped-rows",
    "high",
    "measures after rows were dropped by what the model said of them",
    "Measure on all rows; report how many the model declines as a figure of its own.",
    "CWE-1426",
)
COPIED = rule(
    "leaky-evaluation/answers-copied",
    "high",
    "writes the truth into the predictions before they are measured",
    "Measure what the model said, and nothing else.",
    "CWE-1426",
)
TOLD = rule(
    "leaky-evaluation/answer-in-question",
    "high",
    "writes the answer into the question that it is then measured by",
    "Ask without the answer; show answers of other rows as examples.",
    "CWE-1426",
)
ITSELF = rule(
    "leaky-evaluation/compared-with-itself",
    "high",
    "compares the truth with itself",
    "Compare it with the predictions.",
    "CWE-1426",
)
TARGET = rule(
    "leaky-evaluation/target-as-feature",
    "high",
    "makes a feature out of the target",
    "Make features of what is known before the outcome.",
    "CWE-1426",
)
FUTURE = rule(
    "leaky-evaluation/future-as-feature",
    "high",
    "makes a feature out of later rows",
    "Use shift with a positive number.",
    "CWE-1426",
)
JOINED_LATER = rule(
    "leaky-evaluation/joined-with-later",
    "medium",
    "joins rows with the nearest in time, which may lie behind them",
    'Use direction="backward": what was known by then.',
    "CWE-1426",
    review=True,
)
TIME = rule(
    "leaky-evaluation/shuffled-time",
    "medium",
    "splits rows that are ordered in time at random",
    "Split by time (shuffle=False, TimeSeriesSplit).",
    "CWE-1426",
)
TRAINED = rule(
    "leaky-evaluation/measured-on-training-rows",
    "medium",
    "measures on the rows that it was fitted on",
    "Measure on rows that were held out.",
    "CWE-1426",
    review=True,
)

TEST_TEXT = expression(
    r"\b(?!\w*test_?(?:case|func|name|id|method|suite|runner|kwarg|arg|start|dir|path|file|env)s?)(?:\w+_)?(?:test|holdout|hold_out|heldout|tst)(?:_\w+|set|loader)?\b|\b[Xxy]_?te(?:st)?\b|\bte\b",
    re.IGNORECASE,
)
