"""What services answer to a caller without credentials: one reading request each.

Every request only reads: a ``GET`` of a listing, a ``PING``. Nothing is created, started,
changed or guessed; no password is tried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; headers by their names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON, ``None`` where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def has(self, *keys: str) -> bool:
        """Whether the body is a JSON object with these keys."""
        found = self.json()
        return isinstance(found, dict) and all(key in found for key in keys)


class Door(StrEnum):
    """Whether a service lets a caller without credentials in."""

    OPEN = "open"
    CLOSED = "closed"


Ask = Callable[[str], Answer | None]
"""``GET`` of a path; ``None`` where nothing that is HTTP comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How one product is known, and which request shows that its door is open.

    Attributes:
        known: A path that anybody may ask, and what the product answers to it.
        asked: A listing that only people with credentials should see, and what it looks like.
        gives: What somebody who is let in can do.
        runs_code: Whether that includes running code.
    """

    product: str
    known: tuple[str, Callable[[Answer], bool]]
    asked: tuple[str, Callable[[Answer], bool]]
    gives: str
    runs_code: bool = False


def _lists(*keys: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == OK and answer.has(*keys)


def _is_list(answer: Answer) -> bool:
    return answer.status == OK and isinstance(answer.json(), list)


def _is_ok(answer: Answer) -> bool:
    return answer.status == OK


def _named(header: str, pattern: str) -> Callable[[Answer], bool]:
    return lambda answer: bool(re.search(pattern, answer.headers.get(header, ""), re.IGNORECASE))


def _says(pattern: bytes, status: tuple[int, ...] = (200,)) -> Callable[[Answer], bool]:
    return lambda answer: answer.status in status and re.search(pattern, answer.body) is not None


def _is_jupyter(answer: Answer) -> bool:
    found = answer.json()
    return isinstance(found, dict) and set(found) == {"version"}


OK = 200
PROBES = (
    Probe(
        product="Jupyter",
        known=("/api", _is_jupyter),
        asked=("/api/kernels", _is_list),
        gives="run code as the user who started it",
        runs_code=True,
    ),
    Probe(
        product="Ray dashboard",
        known=("/api/version", _says(rb'"ray_version"', (200, 401, 403))),
        asked=("/api/jobs/", _is_list),
        gives="submit jobs, which is to run code on every node",
        runs_code=True,
    ),
    Probe(
        product="Ray dashboard",
        known=("/", _says(rb"<title>Ray Dashboard</title>")),
        asked=("/api/jobs/", _is_list),
        gives="submit jobs, which is to run code on every node",
        runs_code=True,
    ),
    Probe(
        product="MLflow",
        known=("/version", _says(rb"^\s*\d+\.\d+\.\d+", (200,))),
        asked=("/api/2.0/mlflow/experiments/search?max_results=1", _lists("experiments")),
        gives="read, change and delete runs and models",
    ),
    Probe(
        product="MLflow",
        known=("/health", _says(rb"^OK$")),
        asked=("/api/2.0/mlflow/experiments/search?max_results=1", _lists("experiments")),
        gives="read, change and delete runs and models",
    ),
    Probe(
        product="TensorBoard",
        known=("/data/environment", _says(rb'"data_location"', (200, 401, 403))),
        asked=("/data/environment", _lists("data_location")),
        gives="read every run beneath its folder",
    ),
    Probe(
        product="TorchServe management",
        known=("/models", _says(rb'"models"|InvalidKeyException|Token Auth', (200, 400, 401, 403))),
        asked=("/models?limit=1", lambda answer: _is_ok(answer) and answer.has("models")),
        gives="load models, which is to run code",
        runs_code=True,
    ),
    Probe(
        product="Triton",
        known=("/v2", _lists("name", "extensions")),
        asked=("/v2", _lists("name", "extensions")),
        gives="query models, and load others where that is switched on",
    ),
    Probe(
        product="Airflow",
        known=("/api/v2/monitor/health", _lists("metadatabase", "scheduler")),
        asked=("/api/v2/dags?limit=1", _lists("dags")),
        gives="read and start pipelines",
        runs_code=True,
    ),
    Probe(
        product="Airflow",
        known=("/health", _lists("metadatabase", "scheduler")),
        asked=("/api/v1/dags?limit=1", _lists("dags")),
        gives="read and start pipelines",
        runs_code=True,
    ),
    Probe(
        product="Kubeflow Pipelines",
        known=("/apis/v2beta1/healthz", _says(rb'"multi_user"', (200, 401, 403))),
        asked=("/apis/v2beta1/pipelines?page_size=1", _is_ok),
        gives="upload and start pipelines",
        runs_code=True,
    ),
    Probe(
        product="MinIO",
        known=("/minio/health/live", _named("server", "^MinIO")),
        asked=("/", _says(rb"<ListAllMyBucketsResult")),
        gives="list buckets",
    ),
    Probe(
        product="Docker API",
        known=("/version", _lists("ApiVersion", "MinAPIVersion")),
        asked=("/containers/json?limit=1", _is_list),
        gives="start containers as root",
        runs_code=True,
    ),
    Probe(
        product="Elasticsearch or OpenSearch",
        known=("/", lambda answer: answer.has("cluster_name") or b"security_exception" in answer.body),
        asked=("/", _lists("cluster_name", "version")),
        gives="read and change every index",
    ),
    Probe(
        product="etcd",
        known=("/version", _lists("etcdserver")),
        asked=("/v3/maintenance/status", _is_ok),
        gives="read and change the cluster's state",
    ),
    Probe(
        product="Ollama",
        known=("/api/version", _lists("version")),
        asked=("/api/tags", _lists("models")),
        gives="run, pull and delete models",
    ),
    Probe(
        product="a server of the OpenAI interface",
        known=("/v1/models", _says(rb'"object"\s*:\s*"list"|"error"', (200, 401, 403))),
        asked=("/v1/models", _lists("data")),
        gives="run models at its owner's cost",
    ),
    Probe(
        product="Spark",
        known=("/api/v1/version", _lists("spark")),
        asked=("/api/v1/applications", _is_list),
        gives="read jobs and their settings",
    ),
    Probe(
        product="Prometheus",
        known=("/-/healthy", _says(rb"^Prometheus")),
        asked=("/api/v1/status/config", _lists("data")),
        gives="read every series, and its configuration",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A service that was recognised."""

    product: str
    door: Door
    asked: str
    gives: str = ""
    runs_code: bool = False


def met_by_http(ask: Ask) -> Met | None:
    """The product that answers, and whether its door is open; ``None`` where none is known."""
    answers: dict[str, Answer | None] = {}

    def answer(path: str) -> Answer | None:
        if path not in answers:
            answers[path] = ask(path)
        return answers[path]

    if answer("/") is None:
        return None
    for probe in PROBES:
        known = answer(probe.known[0])
        if known is None or not probe.known[1](known):
            continue
        listing = answer(probe.asked[0])
        is_open = listing is not None and probe.asked[1](listing)
        return Met(
            product=probe.product,
            door=Door.OPEN if is_open else Door.CLOSED,
            asked=f"GET {probe.asked[0]}",
            gives=probe.gives,
            runs_code=probe.runs_code,
        )
    return None


PING = b"PING\r\n"


def met_by_ping(reply: bytes) -> Met | None:
    """Redis or one of its kin by what it answers to ``PING``.

    >>> met_by_ping(b"-NOAUTH Authentication required.").door
    <Door.CLOSED: 'closed'>
    """
    if reply.startswith(b"+PONG"):
        return Met(
            product="Redis",
            door=Door.OPEN,
            asked="PING",
            gives="read and change every key, and write files where it may",
            runs_code=True,
        )
    if reply.startswith((b"-NOAUTH", b"-DENIED", b"-WRONGPASS", b"-NOPERM")):
        return Met(product="Redis", door=Door.CLOSED, asked="PING")
    return None
