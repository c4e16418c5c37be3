"""Lines that Python hands to a shell: here, on another host, in a job of an orchestrator."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from hauberk.methods.code.flow import texts
from hauberk.methods.code.python_index import UNKNOWN, Index, last_name
from hauberk.methods.expressions import expression

_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "fish", "ash"})
_FLAG = expression(r"-[a-zA-Z]*c$")


def is_known(index: Index, given: ast.expr) -> bool:
    """Constants, also in lists and behind names."""
    if index.constant(given) is not UNKNOWN:
        return True
    if isinstance(given, (ast.List, ast.Tuple)):
        return all(is_known(index, part) for part in given.elts)
    if isinstance(given, ast.IfExp):
        return is_known(index, given.body) and is_known(index, given.orelse)
    return False


def is_quoted(index: Index, given: ast.expr) -> bool:
    """Whether what is put in is quoted for the shell."""
    text = texts(given)
    if isinstance(given, ast.Name):
        text = " ".join(texts(value) for value in index.lookup(given))
    return "quote(" in text or "shlex.join" in text or "list2cmdline" in text


def is_built(index: Index, node: ast.expr) -> bool:
    """Whether a text is put together of what is not written in the program."""
    if index.constant(node) is not UNKNOWN:
        return False
    if isinstance(node, ast.JoinedStr):
        parts = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        return any(index.constant(part) is UNKNOWN for part in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        return bool(_texts(index, node))
    if isinstance(node, ast.Call) and last_name(node.func) in {"format", "join"}:
        return isinstance(node.func, ast.Attribute)
    if isinstance(node, ast.Name):
        values = index.lookup(node)
        return any(is_built(index, v) for v in values if not isinstance(v, ast.Name))
    return False


def _texts(index: Index, node: ast.BinOp) -> list[str]:
    sides = [node.left, node.right]
    found = [index.constant(side) for side in sides]
    inner = [text for s in sides if isinstance(s, ast.BinOp) for text in _texts(index, s)]
    formats = ["f" for side in sides if isinstance(side, ast.JoinedStr)]
    return [text for text in found if isinstance(text, str)] + inner + formats


def starts_shell(index: Index, given: ast.expr) -> bool:
    """``["sh", "-c", text]`` with a text that is put together, whatever stands before it.

    ``sudo``, ``env``, ``timeout``, ``docker exec`` and the like only lead to the shell; ``ssh``
    hands its last word to one.
    """
    values = index.reaching(given) if isinstance(given, ast.Name) else [given]
    for value in values:
        if isinstance(value, (ast.List, ast.Tuple)) and len(value.elts) > 2:
            return _hands_line(index, value.elts)
    return False


def _hands_line(index: Index, words: list[ast.expr]) -> bool:
    known = [index.constant(word) for word in words]
    for place, (first, second) in enumerate(pairwise(known)):
        name = first.replace("\\", "/").rpartition("/")[2].lower() if isinstance(first, str) else ""
        is_shell = name in _SHELLS and isinstance(second, str) and _FLAG.match(second)
        is_windows = (name, str(second).lower()) in _WINDOWS
        if (is_shell or is_windows) and place + 2 < len(words):
            return _is_risky(index, words[place + 2])
    if known[0] in {"ssh", "/usr/bin/ssh"}:
        line = words[-1]
        return is_built(index, line) and " " in texts(line) and not is_quoted(index, line)
    return False


_WINDOWS = frozenset(
    {("cmd", "/c"), ("cmd.exe", "/c"), ("powershell", "-command"), ("pwsh", "-command")}
)


def _is_risky(index: Index, line: ast.expr) -> bool:
    return not is_known(index, line) and not is_quoted(index, line)


# Other runners -------------------------------------------------------------------------

_RUNNERS = expression(r"(?:invoke|fabric)\.|(?:c|ctx|context|conn|connection)\.(?:run|sudo|local)$")
_TEMPLATED = expression(
    r"\{\{[^}]*\b(?:dag_run\.conf|params\.|task_instance\.xcom_pull|ti\.xcom_pull|var\.value)[^}]*\}\}"
)
_LINES = {"bash_command": "BashOperator", "command": "SSHOperator", "commands": "ShellOperation"}


def runs_line(index: Index, call: ast.Call, name: str) -> bool:
    """Whether a runner of tasks or an orchestrator gets a line that is put together."""
    function = last_name(call.func)
    if function in {"run", "sudo", "local"} and call.args and _RUNNERS.match(name):
        return (
            _has_runner(index)
            and is_built(index, call.args[0])
            and not is_quoted(index, call.args[0])
        )
    if function in {"execute_shell_command", "shell"} and name.startswith(("dagster", "snakemake")):
        return bool(call.args) and is_built(index, call.args[0])
    for key, operator in _LINES.items():
        node = index.keyword_node(call, key) if function == operator else None
        if not isinstance(node, ast.expr):
            continue
        lines = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
        for line in lines:
            text = index.constant(line)
            if isinstance(text, str) and _TEMPLATED.search(text):
                return True
            if operator == "ShellOperation" and is_built(index, line):
                return not is_quoted(index, line)
    return False


def _has_runner(index: Index) -> bool:
    return any(re.match(r"(?:invoke|fabric)\b", module) for module in index.imports.values())
