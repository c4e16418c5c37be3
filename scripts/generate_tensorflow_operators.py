"""Write the names of the operators that TensorFlow and TensorFlow Text register.

Run it with the interpreter of an environment that holds them; names that were known before
stay known, so that files of older versions do:

    SOME_ENV/bin/python scripts/generate_tensorflow_operators.py

A graph with any other operator needs a library from outside, which is told.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/hauberk/formats/tensorflow_operators.txt"


def main() -> int:
    """Add the operators of the installed versions to the list."""
    before = set(TARGET.read_text("ascii").split()) if TARGET.exists() else set()
    found = before | registered()
    TARGET.write_text("\n".join(sorted(found)) + "\n", "ascii")
    print(f"{len(found)} operators, {len(found - before)} of them new")
    return 0


def registered() -> set[str]:
    """Everything that the libraries of this interpreter register, internal ones too."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    with contextlib.suppress(ImportError):
        __import__("tensorflow_text")
    operators: Any = op_def_pb2.OpList()
    operators.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {operator.name for operator in operators.op}


if __name__ == "__main__":
    sys.exit(main())
