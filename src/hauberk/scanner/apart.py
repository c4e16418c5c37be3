"""Work on what a stranger wrote, in a process of its own that lives for one question.

`crew` asks workers about one file after the other; this is for what is asked once: a folder as
a whole, two files beside each other, a file that somebody named through a link.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hauberk.scanner.crew import Answer, Crew


def apart(work: Callable[[], Answer], path: str = "") -> Answer:
    """What ``work`` gives, made of JSON values, or ``died`` with how its process ended.

    Args:
        path: The largest file that is read, for how long is waited.
    """
    with Crew(1, lambda _: work()) as crew:
        (found,) = crew.each([path])
    return found[1]


def look_apart(path: Path, **how: Any) -> Answer:
    """What `looking.look` says of one file."""
    from hauberk.scanner.looking import look

    return apart(lambda: look(str(path), **how), str(path))


@cache
def kind_apart(path: Path) -> str:
    """What the file is; empty where finding that out ended the process."""
    from hauberk.scanner.kinds import kind_of

    return str(apart(lambda: {"kind": kind_of(path).value}, str(path)).get("kind", ""))
