"""Source code and compiled code that a model file brings: what would it do?

Code that a loader runs is a finding by itself; these rules say what stands in it. Nothing
is compiled or unmarshalled: source is read as a syntax tree, compiled code as bytes in which
names stand in plain text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from hauberk.formats.pickle_policy import Standing, known
from hauberk.formats.pickle_values import Global, printable

MAX_SOURCE_BYTES = 4 << 20

_NAMES = re.compile(rb"(?<![A-Za-z_])(?:[A-Za-z_][A-Za-z0-9_]{1,60})(?![A-Za-z_])")
_TELLING = frozenset(
    """
    eval exec compile __import__ open system popen subprocess Popen socket urlopen requests
    urlretrieve check_output check_call builtins getattr setattr os sys shutil rmtree
    import_module importlib ctypes marshal pickle base64 b64decode touch write_text
    write_bytes mkdir unlink remove environ spawn execv fork
    """.split()  # noqa: SIM905 - a table of names reads better as words
)


def dangerous_calls(source: str, *, assumes: Mapping[str, str] | None = None) -> Iterator[str]:
    """Calls in Python source that reach the machine, as ``module.name`` and line.

    What the names stand for is taken from the imports of the same file; the calls of the
    operating system, of processes, of sockets and of code from data count.

    Args:
        assumes: Names that stand for modules though nothing imports them.
    """
    try:
        tree = ast.parse(source[:MAX_SOURCE_BYTES])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    names = {**(assumes or {}), **dict(_imports(tree))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            path = _path(node.func, names)
            if path and _is_dangerous(path):
                yield f"{path} (line {node.lineno})"


_HINTS = re.compile(
    r"\b(__import__|eval|exec|system|popen|Popen|subprocess|importlib|socket|marshal|ctypes|runpy"
    r"|urlopen|urlretrieve|rmtree|spawn\w*)\b"
)
_MAX_PLANTED = 1 << 20


def planted_program(text: str) -> str:
    """What text calls that is Python as a whole and reaches the machine; empty for all else.

    No loader runs text that stands among the notes of a model, and no honest note is a program.
    """
    if "(" not in text or len(text) > _MAX_PLANTED or not _HINTS.search(text):
        return ""
    return ", ".join(list(dict.fromkeys(dangerous_calls(text.strip(), assumes=_COMMON)))[:3])


_COMMON = {name: name for name in ("os", "subprocess", "socket", "shutil", "importlib", "ctypes")}
"""Modules that a piece of a program is taken to have imported."""


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    alias.asname or alias.name.partition(".")[0],
                    (alias.name if alias.asname else alias.name.partition(".")[0]),
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _path(node: ast.expr, names: dict[str, str]) -> str:
    """A dotted name with its import put in; empty for anything computed."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call):
        head = _returned(node, names)
    elif isinstance(node, ast.Name):
        head = names.get(node.id, node.id if parts else f"builtins.{node.id}")
        head = "" if parts and node.id not in names else head
    else:
        head = ""
    return ".".join([head, *reversed(parts)]) if head else ""


def _returned(node: ast.Call, names: dict[str, str]) -> str:
    """What an import by name, or the look-up of an attribute by name, gives."""
    inner = _path(node.func, names)
    if inner in {"builtins.__import__", "importlib.import_module", "__import__"}:
        return _imported(node)
    if inner == "builtins.getattr" and len(node.args) > 1:
        owner, name = _path(node.args[0], names), node.args[1]
        is_text = isinstance(name, ast.Constant) and isinstance(name.value, str)
        return f"{owner}.{name.value}" if owner and is_text else ""  # type: ignore[attr-defined] # a constant
    return ""


def _imported(node: ast.Call) -> str:
    first = node.args[0] if node.args else None
    is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return first.value if is_text else ""  # type: ignore[union-attr] # it is a constant then


_DANGEROUS = re.compile(
    r"(os|posix|nt)\.(system|popen\w*|exec[lv]\w*|spawn\w*|posix_spawn\w*|fork\w*|startfile|dup2)"
    r"|(subprocess|commands|popen2|_posixsubprocess|pty|paramiko|telnetlib|ftplib|smtplib)\.\w+"
    r"|asyncio\.create_subprocess_\w+|(socket|_socket)\.(socket|create_\w+)"
    r"|builtins\.(eval|exec|__import__)|marshal\.loads?|runpy\.\w+|code\.Interact\w+(\.\w+)*"
    r"|ctypes\.(CDLL|cdll|windll|WinDLL|PyDLL)(\.\w+)*|webbrowser\.open\w*|shutil\.rmtree"
    r"|timeit\.timeit|types\.(CodeType|FunctionType)|sys\.settrace|winreg\.\w+"
    r"|urllib\.request\.(urlopen|urlretrieve)|http\.client\.HTTPS?Connection"
)
_HARMLESS = frozenset({"subprocess.CalledProcessError", "subprocess.TimeoutExpired"})


def _is_dangerous(path: str) -> bool:
    return _DANGEROUS.fullmatch(path) is not None and path not in _HARMLESS


def is_dangerous_name(module: str, name: str) -> bool:
    """Whether a name is known to run code, start programs, or touch files and sockets."""
    return known(Global(module, name, 0)).standing is Standing.DANGEROUS


def telling_names(code: bytes) -> str:
    """Names in compiled code that say what it does, for a message; empty where none does."""
    found = dict.fromkeys(match[0].decode("ascii") for match in _NAMES.finditer(code))
    return printable(", ".join(name for name in found if name in _TELLING))[:200]
