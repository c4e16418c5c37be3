"""Looking at one file in a process of its own that lives for one question.

`looking` is what workers are asked about one file after the other; this is for a file that
somebody named through a link, and for one that others are held against.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hauberk.isolation.crew import Answer, apart


def look_apart(path: Path, **how: Any) -> Answer:
    """What `looking.look` says of one file."""
    from hauberk.scanner.looking import look

    return apart(lambda: look(str(path), **how), str(path))


@cache
def kind_apart(path: Path) -> str:
    """What the file is; empty where finding that out ended the process."""
    from hauberk.scanner.kinds import kind_of

    return str(apart(lambda: {"kind": kind_of(path).value}, str(path)).get("kind", ""))
