"""Ask a bundle a few questions before anybody else does.

The application is started in this process (or on a free port of loopback), asked over the
protocol as a client would, its answers are compared with what training's model said, and it
is stopped. Nothing is left running.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats import v2
from hauberk.formats.http import Answer, Door, json_call
from hauberk.formats.v2_schema import request_for
from hauberk.guard.app import App
from hauberk.guard.bundle import Bundle
from hauberk.guard.loopback import InProcess
from hauberk.guard.server import running
from hauberk.guard.service import Surroundings, open_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """What the questions showed.

    Attributes:
        agreed: Rows whose answer is the expected one within the tolerance.
        worst: Largest difference of a number; 1 for a label that differs.
        seconds: Slowest answer.
    """

    n_rows: int
    agreed: int
    worst: float
    seconds: float
    output: str

    @property
    def passed(self) -> bool:
        """Whether every row agreed."""
        return self.agreed == self.n_rows > 0


def smoke(
    bundle: Bundle,
    rows: Sequence[Mapping[str, Any]],
    expected: Sequence[Any],
    *,
    output: str | None = None,
    tolerance: float = 1e-4,
    over_socket: bool = False,
) -> Smoke:
    """Ask one request with ``rows`` and hold the answer against ``expected``.

    Args:
        bundle: A verified bundle.
        rows: Column name to value, with the names of the schema.
        expected: Per row a label or number, or a sequence of numbers.
        output: Which output to compare; the first by default.
        tolerance: Absolute difference allowed for numbers.
        over_socket: Whether to go through a real server on loopback.

    Raises:
        ArtifactError: The rows do not fit the schema, or the server refused them.
        UnavailableError: The server does not start.
    """
    name = output or bundle.schema.outputs[0].name
    request = request_for(bundle.schema, rows)
    with _door(bundle, over_socket=over_socket) as door:
        path = f"/v2/models/{bundle.name}/infer"
        answer = door.call(json_call(path, v2.write_request(request)))
    found = _column(answer, name)
    differences = [_difference(a, b) for a, b in zip(found, expected, strict=True)]
    return Smoke(
        n_rows=len(differences),
        agreed=sum(difference <= tolerance for difference in differences),
        worst=max(differences, default=math.inf),
        seconds=answer.seconds,
        output=name,
    )


@contextlib.contextmanager
def _door(bundle: Bundle, *, over_socket: bool) -> Iterator[Door]:
    app = App(open_service(bundle, Surroundings()))
    if not over_socket:
        yield InProcess(app=app)
        app.close()
        return
    with running(app, bundle.policy) as server:
        yield server.door


def _column(answer: Answer, name: str) -> list[Any]:
    """The values of one output, one entry per row."""
    if answer.status != 200:  # noqa: PLR2004 - the only good status
        raise ArtifactError(
            "the served model refused the rows of the smoke test",
            rule=_error(answer.body),
            expected="status 200",
            found=f"status {answer.status}",
            hint="compare the schema of the bundle with the rows",
        )
    tensors = {tensor.name: tensor for tensor in v2.parse_response(answer.body).outputs}
    if name not in tensors:
        raise ArtifactError("the answer lacks an output", subject=name)
    tensor = tensors[name]
    width = math.prod(tensor.shape[1:])
    values = list(tensor.values)
    if width == 1:
        return values
    return [values[start : start + width] for start in range(0, len(values), width)]


def _error(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _difference(found: Any, expected: Any) -> float:
    """0 where equal; the largest absolute difference of numbers; 1 where labels differ."""
    if isinstance(expected, list) and len(expected) == 1 and not isinstance(found, list):
        expected = expected[0]  # a number for each row, as regression has it
    if isinstance(found, list):
        return max(_difference(a, b) for a, b in zip(found, expected, strict=True))
    if isinstance(found, str) or isinstance(expected, str):
        return float(str(found) != str(expected))
    return abs(float(found) - float(expected))
