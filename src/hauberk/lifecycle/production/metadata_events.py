"""What may be written into the log of runs: kinds, fields, lengths and characters.

An event is written through `checked`, which refuses unknown kinds and fields, wrong types,
control characters and text that changes its direction. Readers escape what they show all the
same: what was logged by an older version, or by somebody else, passed no check of ours.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from hauberk.errors import UsageError

MAX_NAME: Final = 200
MAX_TEXT: Final = 10_000
MAX_PATHS: Final = 100_000
MAX_SEALED: Final = 1 << 20

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that change what is shown without being seen."""


def _is_run(value: Any) -> bool:
    return isinstance(value, str) and _RUN.match(value) is not None


def is_name(value: Any) -> bool:
    """Whether ``value`` is a short line of visible characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and _is_visible(value)


def _is_text(value: Any) -> bool:
    return (
        isinstance(value, str) and len(value) <= MAX_TEXT and _is_visible(value.replace("\n", ""))
    )


def _is_visible(text: str) -> bool:
    return not any(unicodedata.category(sign) in _UNSEEN for sign in text)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.match(value) is not None


def _is_optional_digest(value: Any) -> bool:
    return value is None or _is_digest(value)


def _is_digests(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_PATHS and all(map(_is_digest, value))


def _is_paths(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= MAX_PATHS
        and all(_is_path(path) and _is_digest(digest) for path, digest in value.items())
    )


def _is_path(value: Any) -> bool:
    is_text = isinstance(value, str) and 0 < len(value) <= 4 * MAX_NAME and _is_visible(value)
    return is_text and ".." not in value.split("/")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _is_sealed(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_SEALED and _BASE64.match(value) is not None


_Rule = tuple[Callable[[Any], bool], str]
_RUN_ID: _Rule = (_is_run, "an id of letters, digits and . _ : @ -, at most 128")
_NAME: _Rule = (is_name, f"1 to {MAX_NAME} visible characters on one line")
_MODEL: _Rule = (_is_optional_digest, "a digest or null")
_PATHS: _Rule = (_is_paths, "paths without .. to digests")

_RELEASE: Mapping[str, _Rule] = {
    "run": _RUN_ID,
    "channel": _NAME,
    "release": (_is_digest, "the digest of a signed release"),
    "number": (_is_count, "a whole number from 0 on"),
}

FIELDS: Final[Mapping[str, Mapping[str, _Rule]]] = {
    "run": {"run": _RUN_ID, "project": _NAME, "code": _MODEL},
    "step": {
        "run": _RUN_ID,
        "step": _NAME,
        "materials": _PATHS,
        "products": _PATHS,
        "envelope": _MODEL,
    },
    "metric": {
        "run": _RUN_ID,
        "model": _MODEL,
        "name": _NAME,
        "value": (_is_number, "a finite number"),
    },
    "note": {
        "run": _RUN_ID,
        "name": _NAME,
        "text": (_is_text, f"at most {MAX_TEXT} visible characters and newlines"),
    },
    "release-meant": {**_RELEASE, "steps": (_is_digests, f"at most {MAX_PATHS} digests")},
    "release-done": _RELEASE,
    "registry": {
        "deed": _NAME,
        "subject": _NAME,
        "registry": _NAME,
        "state": (_is_count, "a whole number from 0 on"),
    },
    "trace": {
        "run": _RUN_ID,
        "name": _NAME,
        "row": (_is_count, "a whole number from 0 on"),
        "sealed": (_is_sealed, f"base64 of at most {MAX_SEALED} characters"),
    },
}
"""Kind to its fields, all of which must be there."""


def checked(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """``event`` itself, if it may be logged.

    Raises:
        UsageError: Its kind or a field is unknown, missing or out of form.
    """
    kind = event.get("kind")
    rules = FIELDS.get(kind) if isinstance(kind, str) else None
    if rules is None:
        raise _refused(event, "kind", " ".join(FIELDS), repr(kind)[:60])
    for key in sorted({*event, *rules} - {"kind"}):
        if key not in rules:
            raise _refused(event, key, " ".join(rules), "a field that this kind does not have")
        is_good, expected = rules[key]
        if key not in event or not is_good(event[key]):
            raise _refused(event, key, expected, _said(event.get(key)))
    return event


def _said(value: Any) -> str:
    """What was there, by kind and size only: it may hold anything."""
    if isinstance(value, str):
        strange = sum(not _is_visible(sign) for sign in value)
        return f"a string of {len(value)} characters, {strange} of them not visible"
    return type(value).__name__


def _refused(event: Mapping[str, Any], key: str, expected: str, found: str) -> UsageError:
    return UsageError(
        "an event may not be logged like this",
        subject=f"{str(event.get('kind'))[:20]!r}, field {key[:40]!r}",
        rule="unknown fields, wrong types and invisible characters stay out of the log",
        expected=expected,
        found=found,
        hint="correct the name or text where it comes from: the lifecycle file, a path, a metric",
    )
