"""Programs that write themselves where a machine starts things: hooks, profiles, timers, keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.flow import parts_of
from hauberk.methods.code.python_index import Index, last_name
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

LASTS = rule(
    "code-execution/lasting-file",
    "high",
    "writes into a place from which the machine, or git, starts commands by itself",
    "Let people install that on purpose, by a tool that says what it does.",
    "CWE-506",
    review=True,
)

_PLACES = expression(
    r"\.git/hooks/[\w-]+|(?:^|/)\.(?:bashrc|bash_profile|profile|zshrc|zprofile|zshenv|xprofile)$|(?:^|/)\.ssh/(?:authorized_keys|config)$|"
    r"^/etc/(?:cron\S*|profile\.d/\S*|ld\.so\.preload|systemd/\S+|sudoers\S*)|\.config/(?:autostart|systemd/user)/|LaunchAgents/|"
    r"(?:sitecustomize|usercustomize)\.py$|site-packages/\S+\.pth$"
)
_HINTS = expression(
    r"hooks|rc\b|profile|\.ssh|/etc/|autostart|systemd|LaunchAgents|customize|\.pth|zshenv"
)
_MAKERS = frozenset(
    {"write_text", "write_bytes", "open", "copy", "copyfile", "copy2", "symlink_to"}
)


def lasting_hits(index: Index) -> Iterator[Hit]:
    """Hits of one module."""
    if not index.called & _MAKERS or not index.speaks_of(_HINTS) or not index.writes(_PLACES):
        return
    for call in index.telling_calls:
        name = last_name(call.func)
        if name not in _MAKERS or (name == "open" and not _writes(index, call)):
            continue
        nodes: list[ast.AST] = [*call.args[:2]]
        if name in {"write_text", "write_bytes", "open", "symlink_to"}:
            nodes = [call.func, *call.args[:1]] if name == "open" else [call.func]
        for text in _paths(index, nodes):
            if _PLACES.search(text):
                yield Hit(LASTS, call.lineno, text[:60])
                break


def _writes(index: Index, call: ast.Call) -> bool:
    place = 0 if isinstance(call.func, ast.Attribute) else 1
    mode = (
        index.constant(call.args[place]) if len(call.args) > place else index.keyword(call, "mode")
    )
    return isinstance(mode, str) and re.search(r"[wax+]", mode) is not None


def _paths(index: Index, nodes: list[ast.AST]) -> Iterator[str]:
    """Paths that expressions say, pieces put together by slashes."""
    waiting, seen = list(nodes), 0
    for node in waiting:  # It grows while it is gone through.
        pieces = []
        for part in parts_of(node)[:_MAX_PARTS]:
            seen += 1
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                pieces.append((part.lineno, part.col_offset, part.value))
            elif isinstance(part, ast.Name) and seen < _MAX_PARTS:
                waiting += index.lookup(part)[-1:]
        yield "/".join(text for *_, text in sorted(pieces))


_MAX_PARTS = 200
