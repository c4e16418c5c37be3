"""Files of the tree that an interpreter, editor or debugger runs when it starts there.

A line of a ``.pth`` file that begins with ``import`` runs whenever Python starts; ``.exrc``,
``.dir-locals.el``, ``.gdbinit`` and their likes run when somebody opens a file or a program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.commands import continued, faults
from hauberk.methods.code.project_settings import INTERPRETER, TASK
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

STARTS = rule(
    "hidden-instructions/runs-at-start",
    "high",
    "runs or fetches something whenever Python starts with this folder on its path",
    "Remove the line; let the program call what it needs.",
    "CWE-829",
)

HOOK_ACTS = rule(
    "hidden-instructions/hook-acts",
    "high",
    "lets git fetch or send something, unseen, for everybody who uses the hooks of the tree",
    "Remove it; hooks check files of the tree and ask no network.",
    "CWE-829",
)

_HOOKS = frozenset(
    {"post-checkout", "post-merge", "post-commit", "post-rewrite", "pre-commit", "pre-push"}
    | {"pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-rebase", "applypatch-msg"}
    | {"pre-applypatch", "post-applypatch", "pre-auto-gc", "reference-transaction"}
    | {"fsmonitor-watchman", "sendemail-validate", "post-index-change"}
)
_NETWORK = expression(
    r"\b(?:curl|wget|ncat|nc|socat|scp|rsync|telnet|ssh|aria2c)\s|/dev/(?:tcp|udp)/|\burl(?:open|retrieve)\b|\brequests\.\w+\("
)
_UNSEEN = expression(
    r"(?<![&>|])&[ \t]*(?:$|\)|;|disown)|\bnohup\b|\bsetsid\b|\bdisown\b|>[ \t]*/dev/null|&>|\|\s*(?:ba|z|da)?sh\b|"
    r"\|\s*python|\beval\b|\$\((?:curl|wget)|base64\s+-+d|\s-s\w*\b|--silent|\s-q\b|--quiet"
)
_ACTS = expression(
    r"\b(?:exec|eval|compile|__import__)\s*\(|\bos\.(?:system|popen|exec\w+|spawn\w+)|\bsubprocess\b|\burl(?:open|retrieve)\b|"
    r"\brequests\.\w+\(|\bsocket\.(?:socket|create_connection|gethostby\w+)|\bb64decode\b|\bctypes\b|\bhttp\.client\b"
)
_IMPORTS = expression(r"^import[ \t]\S")
_EDITOR_SHELLS = expression(
    r"(?:^|[\s|!(:\"'])(?:!|:!|system\(|silent\s*!|shell-command|call-process|start-process|async-shell-command|"
    r"vim\.fn\.system|os\.execute|io\.popen|jobstart|platform\s+shell|^\s*shell\b|make-process)[^\n]*"
)
_EVALS = expression(r"\(\s*eval\s*\.\s*\(")
_BUILT = expression(
    r"^\s*(?:rustc-wrapper|rustc-workspace-wrapper|rustc|runner|linker|rustdoc)\s*=\s*\[?\s*\"(?P<program>\.{1,2}/[^\"]+|[\w-]+/[^\"]+)\""
)
_EDITORS = frozenset(
    {".exrc", ".vimrc", ".nvimrc", ".nvim.lua", ".vimrc.local", "_vimrc", ".lvimrc", ".gdbinit"}
    | {
        ".lldbinit",
        ".pdbrc",
        ".dir-locals.el",
        ".dir-locals-2.el",
        ".emacs",
        ".autoenv",
        ".env.local.sh",
    }
)
_PYTHON = frozenset({"sitecustomize.py", "usercustomize.py"})


def startup_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file; none of most."""
    reader = _reader(file.path)
    if reader is not None:
        yield from reader(file.text)


def _reader(path: PurePath) -> Callable[[str], Iterator[Hit]] | None:
    if path.suffix == ".pth":
        return _paths
    if path.name in _PYTHON:
        return _customised
    if path.name in _EDITORS:
        return _editor
    if path.name in _HOOKS or (path.stem in _HOOKS and path.suffix in {".sh", ".bash", ".py"}):
        return _hook
    if path.parts[-2:-1] == (".cargo",) and path.name.startswith("config"):
        return _cargo
    if (
        path.name in {"ipython_config.py", "ipython_kernel_config.py"}
        or "startup" in path.parts[-2:-1]
    ):
        return _shell_settings if ".ipython" in path.parts or "config" in path.name else None
    return None


def _hook(text: str) -> Iterator[Hit]:
    """Lines of a hook that reach into a network and show nothing of it."""
    place = 0
    for line in continued(text).split("\n"):
        number = text.count("\n", 0, place) + 1
        place += len(line) + 1
        is_comment = line.lstrip().startswith("#")
        if not is_comment and _NETWORK.search(line) and _UNSEEN.search(line):
            yield Hit(HOOK_ACTS, number, line.strip())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith(("#", '" ', ";;", "--")):
            yield number, line


def _paths(text: str) -> Iterator[Hit]:
    """Lines that Python runs; a name of a module alone is how tools of packaging hook in."""
    for number, line in _lines(text):
        if _IMPORTS.match(line) and (_ACTS.search(line) or ";" in line):
            yield Hit(STARTS, number, line)


def _customised(text: str) -> Iterator[Hit]:
    for number, line in _lines(text):
        if _ACTS.search(line):
            yield Hit(STARTS, number, line.strip())


def _editor(text: str) -> Iterator[Hit]:
    for number, line in _lines(text):
        starts = _EDITOR_SHELLS.search(line) or _EVALS.search(line) or _ACTS.search(line)
        if starts is not None and (_fetches(line) or _EVALS.search(line) is None):
            yield Hit(TASK, number, line.strip())


def _fetches(line: str) -> bool:
    told = any(kind in {"pipe", "decoded", "tls", "sent"} for kind, _, _ in faults(line))
    return (
        told
        or re.search(r"https?://|\bcurl\b|\bwget\b|\bnc\b|shell-command|call-process", line)
        is not None
    )


def _shell_settings(text: str) -> Iterator[Hit]:
    """Lines that IPython is told to run."""
    for number, line in _lines(text):
        if re.search(r"exec_lines|exec_files|code_to_run", line) and _ACTS.search(line):
            yield Hit(TASK, number, line.strip())


def _cargo(text: str) -> Iterator[Hit]:
    for number, line in _lines(text):
        found = _BUILT.match(line)
        if found is not None:
            yield Hit(INTERPRETER, number, found["program"])
