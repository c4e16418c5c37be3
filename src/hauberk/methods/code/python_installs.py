"""Packages that Python code asks for: for components, jobs and sessions, or while it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hauberk.methods.code.commands import faults
from hauberk.methods.code.dependency_rules import UNPINNED
from hauberk.methods.code.images import ARCHIVE, INDEX, MOVING, PIPED
from hauberk.methods.code.python_index import Index, command_text, last_name
from hauberk.methods.code.rules import Hit
from hauberk.methods.expressions import expression

_FAULTS = {"moving": MOVING, "index": INDEX, "archive": ARCHIVE, "pipe": PIPED}
_LISTS = frozenset(
    {"packages_to_install", "pip_packages", "pip_requirements", "extra_pip_requirements"}
    | {"extra_pip_packages", "pip_install"}
)
_JOBS = frozenset({"runtime_env", "conda_env", "environment"})
_VCS = expression(r"(?:[\w.\-\[\]]+\s*@\s*)?((?:git|hg|svn|bzr)\+\w+://\S+)")
_COMMIT = expression(r"@[0-9a-f]{40}\b")
_PLAIN = expression(
    r"[A-Za-z0-9][\w.\-]*(?:\[[\w,\s-]+\])?\s*(?:(?:[<>~!]=?|===?)[\w.*,<>=!~ -]+)?"
)


def install_hits(index: Index) -> Iterator[Hit]:
    """References that move, and packages of which any version will do."""
    for call in index.telling_calls:
        for node in call.args:
            yield from _moving(index, node, call)
        for key in call.keywords:
            if key.arg in _LISTS:
                yield from _listed(index, key.value)
            elif key.arg in _JOBS:
                yield from _job(index, key.value)
            elif key.arg == "extra_index_url" and index.constant(key.value) not in (None, ""):
                yield Hit(INDEX, key.value.lineno, "extra_index_url")
        yield from _command(index, call)


def _moving(index: Index, node: ast.expr, call: ast.Call) -> Iterator[Hit]:
    if last_name(call.func) not in {"install", "run", "run_always", "check_call", "pip_install"}:
        return
    for part in node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]:
        yield from _reference(index, part)


def _reference(index: Index, node: ast.expr) -> Iterator[Hit]:
    text = index.constant(node)
    found = _VCS.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is not None and not _COMMIT.search(found[1]):
        yield Hit(MOVING, node.lineno, re.sub(r"://[^/@\s]+@", "://...@", found[1]))


def _listed(index: Index, node: ast.expr) -> Iterator[Hit]:
    for value in index.lookup(node) if isinstance(node, ast.Name) else [node]:
        if not isinstance(value, (ast.List, ast.Tuple)):
            continue
        loose = []
        for part in value.elts:
            yield from _reference(index, part)
            text = index.constant(part)
            if isinstance(text, str) and _is_loose(text):
                loose.append(text)
        if loose:
            yield Hit(UNPINNED, value.lineno, ", ".join(loose)[:80])


def _job(index: Index, node: ast.expr) -> Iterator[Hit]:
    """``{"pip": [...]}`` of a job's environment."""
    for value in index.lookup(node) if isinstance(node, ast.Name) else [node]:
        if isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                if key is not None and index.constant(key) in {"pip", "packages", "uv"}:
                    yield from _listed(index, item)


def _command(index: Index, call: ast.Call) -> Iterator[Hit]:
    """``[sys.executable, "-m", "pip", "install", "name"]``."""
    text = command_text(index, call, index.dotted(call.func)).replace("_ -m", "python -m")
    if last_name(call.func) in {"run_commands", "dockerfile_commands", "run_bash_script"}:
        lines = [*call.args, *(key.value for key in call.keywords)]
        text = "\n".join(
            str(value) for node in lines if isinstance(value := index.constant(node), str)
        )
    for kind, _, found in faults(text) if text else ():
        if kind in _FAULTS:
            yield Hit(_FAULTS[kind], call.lineno, found)
    given = call.args[0] if call.args else None
    if not isinstance(given, (ast.List, ast.Tuple)):
        return
    words = [index.constant(part) for part in given.elts]
    if "install" not in words or "pip" not in words or "--require-hashes" in words:
        return
    after = words[words.index("install") + 1 :]
    options = [word for word in after if isinstance(word, str) and word.startswith("-")]
    loose = [word for word in after if isinstance(word, str) and _is_loose(word)]
    if loose and not {"-r", "-e", "-c"} & set(options):
        yield Hit(UNPINNED, call.lineno, ", ".join(loose)[:80])


def _is_loose(text: str) -> bool:
    return _PLAIN.fullmatch(text.strip()) is not None and not re.search(r"===?\s*[^\s*]+$", text)
