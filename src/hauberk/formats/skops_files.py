"""The schema of skops files: which classes and functions loading would look up.

A skops file is a zip archive of arrays with ``schema.json``, a tree of nodes that name their
class as ``__module__`` and ``__class__``. skops itself asks the caller to trust names that
it does not know; here they are held against the same list as those of pickles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import Global
from hauberk.formats.spans import Span

SCHEMA_NAME = "schema.json"

MAX_SCHEMA_BYTES = 64 << 20
"""A forest of a thousand trees has a schema of some ten megabytes."""


def skops_names(span: Span) -> Iterator[Global]:
    """Every name in a schema, in the order in which it is written; none in other JSON.

    Raises:
        ArtifactError: It is no JSON or too large.
    """
    if span.size > MAX_SCHEMA_BYTES:
        raise _malformed(f"it is {span.size} bytes long")
    try:
        schema = json.loads(span.read(0, span.size))
    except (ValueError, RecursionError) as error:
        raise _malformed("it is no JSON") from error
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield from _named(node)
            waiting.extend(reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


_HOMES = {"OperatorFuncNode": "operator"}


def _named(node: dict[str, Any]) -> Iterator[Global]:
    module, name = node.get("__module__"), node.get("__class__")
    content = node.get("content")
    if isinstance(content, dict) and {"module_path", "function"} <= content.keys():
        # As skops wrote functions before its protocol 1: the class is that of all functions.
        module, name = content["module_path"], content["function"]
    if isinstance(module, str) and isinstance(name, str):
        yield Global(module, name, 0)
        # The loader of these takes the name from one module, whatever the schema says.
        home = _HOMES.get(str(node.get("__loader__")), module)
        if home != module:
            yield Global(home, name, 0)


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the skops schema is malformed: {reason}",
        rule=f"JSON of at most {MAX_SCHEMA_BYTES} bytes",
        found=reason,
        hint="write the model again with skops.io.dump",
    )
