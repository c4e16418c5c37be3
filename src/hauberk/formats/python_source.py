"""Python of a tree as syntax: modules, and the code cells of notebooks joined to one.

Nothing is compiled or run. What does not parse gives an `ArtifactError`.
"""

from __future__ import annotations

import ast
import re
import warnings

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
