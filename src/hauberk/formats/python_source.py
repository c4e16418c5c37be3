"""Python of a tree as syntax: modules, and the code cells of notebooks joined to one.

Nothing is compiled or run. What does not parse gives an `ArtifactError`.
"""

from __future__ import annotations

import ast
import re
import warnings
from functools import cache

from hauberk.core.artifact import SourceFile
from hauberk.errors import ArtifactError
from hauberk.formats.notebooks import Cell, read_notebook

_MAGIC = re.compile(r"^[ \t]*[%!?].*$|^[ \t]*[\w.]+\?{1,2}[ \t]*$", re.MULTILINE)


def is_python(file: SourceFile) -> bool:
    """Whether a file says that it is a module or a notebook."""
    return file.path.suffix in (".py", ".ipynb")


def parse(file: SourceFile) -> ast.Module:
    """The syntax of a module or notebook; lines of a notebook count over its code cells.

    Raises:
        ArtifactError: It does not parse.
    """
    return _parsed(python_text(file), file.name)


def python_text(file: SourceFile) -> str:
    """The Python of a file; of a notebook its code cells, without magics.

    Raises:
        ArtifactError: It is called a notebook and is none.
    """
    if file.path.suffix != ".ipynb":
        return file.text
    cells = read_notebook(file.text, name=file.name)
    return "\n".join(_plain(cell) for cell in cells if cell.is_code)


def _plain(cell: Cell) -> str:
    """A cell without what only a notebook understands; a cell of another language is empty."""
    if cell.source.lstrip().startswith("%%"):
        return ""
    return _MAGIC.sub(lambda match: "pass" if match[0].strip() else "", cell.source)


def _parsed(text: str, name: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ArtifactError(
            "a file of Python does not parse",
            subject=name,
            found=f"{type(error).__name__} in line {line}" if line else type(error).__name__,
        ) from error


# Walking -------------------------------------------------------------------------------

_LEAVES = frozenset({"ctx", "op", "ops", "kind", "type_comment", "type_ignores", "type_params"})
_LEAVES |= {"id", "attr", "arg", "name", "asname", "level", "module", "is_async", "conversion"}
_CLOSED = frozenset({ast.Constant, ast.Name, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal})


@cache
def child_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Fields in which other nodes may stand; operators, contexts and aliases are left out."""
    return () if kind in _CLOSED else tuple(name for name in kind._fields if name not in _LEAVES)


def children(node: ast.AST) -> list[ast.AST]:
    """What stands right below a node, in the order of its fields."""
    found: list[ast.AST] = []
    for name in child_fields(node.__class__):  # type: ignore[arg-type]  # classes are hashable
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found
