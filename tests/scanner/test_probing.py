"""Services that run here are asked whether they let anybody in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest

from hauberk.cli import main
from hauberk.core.finding import Outcome, Severity
from hauberk.errors import UsageError
from hauberk.scanner import probing
from hauberk.scanner.probing import Socket, listening, probe, sockets_of

CLOSED = (403, b'{"message": "Forbidden"}')
PRODUCTS = {
    "Jupyter": ("/api", b'{"version": "2.14.0"}', "/api/kernels", b"[]"),
    "Ray dashboard": ("/api/version", b'{"ray_version": "2.9.0"}', "/api/jobs/", b"[]"),
    "MLflow": (
        "/version",
        b"2.20.1",
        "/api/2.0/mlflow/experiments/search?max_results=1",
        b'{"experiments": []}',
    ),
    "Airflow": (
        "/health",
        b'{"metadatabase": {}, "scheduler": {}}',
        "/api/v1/dags?limit=1",
        b'{"dags": []}',
    ),
    "Kubeflow Pipelines": (
        "/apis/v2beta1/healthz",
        b'{"multi_user": false}',
        "/apis/v2beta1/pipelines?page_size=1",
        b"{}",
    ),
    "Docker API": (
        "/version",
        b'{"ApiVersion": "1.45", "MinAPIVersion": "1.24"}',
        "/containers/json?limit=1",
        b"[]",
    ),
    "Spark": ("/api/v1/version", b'{"spark": "3.5.1"}', "/api/v1/applications", b"[]"),
}


class Service:
    """A server on loopback that answers some paths, and 404 to all others."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.get(self.path, (404, b"nothing"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def asked(service: Service, bound: str = "0.0.0.0"):
    (told,) = probe([Socket("127.0.0.1", service.port, bound)], timeout_s=20)
    return told


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_open_service_is_told_with_what_anybody_can_do(product):
    known, said, listing, answer = PRODUCTS[product]
    with Service({known: (200, said), listing: (200, answer)}) as service:
        told = asked(service)
    assert told.outcome is Outcome.FLAGGED
    (finding,) = told.findings
    assert finding.evidence.facts["product"] == product
    assert finding.severity in {Severity.HIGH, Severity.CRITICAL}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_service_that_asks_for_credentials_is_clean(product):
    known, said, listing, _ = PRODUCTS[product]
    with Service({known: (200, said), listing: CLOSED}) as service:
        assert asked(service).outcome is Outcome.CLEAN


def test_a_service_that_only_this_machine_reaches_is_medium():
    known, said, listing, answer = PRODUCTS["Jupyter"]
    with Service({known: (200, said), listing: (200, answer)}) as service:
        (finding,) = asked(service, "127.0.0.1").findings
    assert finding.severity is Severity.MEDIUM


def test_an_ordinary_web_server_is_nothing_that_is_known():
    with Service({"/": (200, b"<html>hello</html>")}) as service:
        assert asked(service).outcome is Outcome.NOT_APPLICABLE


def test_a_socket_that_says_nothing_is_not_called_clean():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (told,) = probe([Socket("127.0.0.1", silent.getsockname()[1])], timeout_s=0.2)
    assert told.outcome is Outcome.FAILED


def test_a_named_socket_that_is_not_there_is_not_called_clean(capsys):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert main(["probe", f"127.0.0.1:{port}", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["assessments"][0]["outcome"] == "failed"


@pytest.mark.parametrize("name", ["192.0.2.7:80", "here", "127.0.0.1:0", "127.0.0.1:http"])
def test_other_machines_and_what_is_no_socket_are_refused(name):
    with pytest.raises(UsageError):
        sockets_of([name])


def test_the_kernels_table_says_where_something_listens(tmp_path):
    table = tmp_path / "tcp"
    table.write_text(
        "head\n"
        "0: 0100007F:1F90 00000000:0000 0A 0 0 0\n"
        "1: 00000000:1F91 00000000:0000 0A 0 0 0\n"
        "2: 00000000:1F92 00000000:0000 01 0 0 0\n",
        "ascii",
    )
    first, second = listening([table])
    assert (first.name, first.is_local) == ("127.0.0.1:8080", True)
    assert (second.name, second.bound, second.is_local) == ("127.0.0.1:8081", "0.0.0.0", False)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
@pytest.mark.parametrize(
    ("words", "outcome"),
    [((), Outcome.FLAGGED), (("--requirepass", "drawn-for-this-test"), Outcome.CLEAN)],
)
def test_a_real_redis_is_told_when_it_is_open_and_not_when_it_is_hardened(tmp_path, words, outcome):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [*command, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            told = None
            for _ in range(600):
                (told,) = probe([Socket("127.0.0.1", port, "127.0.0.1")], timeout_s=20)
                if told.outcome is not Outcome.FAILED:
                    break
                time.sleep(0.1)
            assert told is not None
            assert told.outcome is outcome
        finally:
            server.terminate()


def test_all_sockets_of_the_machine_are_looked_up():
    with socket.create_server(("127.0.0.1", 0)) as known:
        assert known.getsockname()[1] in {item.port for item in probing.listening()}


RAY_WITH_TOKEN = {
    "/": (200, b'<!doctype html><html lang="en"><head><title>Ray Dashboard</title></head></html>'),
    "/api/version": (401, b"Unauthorized: Missing authentication token"),
    "/api/jobs/": (401, b"Unauthorized: Missing authentication token"),
    "/models": (401, b"Unauthorized: Missing authentication token"),
    "/models?limit=1": (401, b"Unauthorized: Missing authentication token"),
}
"""What the dashboard of Ray 2.60.0 answered, started with RAY_AUTH_MODE=token."""


def test_ray_with_tokens_is_known_by_its_page_and_closed():
    with Service(RAY_WITH_TOKEN) as service:
        told = asked(service)
    assert told.outcome is Outcome.CLEAN
    assert told.reason == "Ray dashboard asks for credentials"


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ray") is None, reason="ray is not installed")
@pytest.mark.parametrize(("mode", "outcome"), [("", Outcome.FLAGGED), ("token", Outcome.CLEAN)])
def test_a_real_ray_is_told_when_it_is_open_and_not_when_it_is_hardened(tmp_path, mode, outcome):
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        port, gcs = first.getsockname()[1], second.getsockname()[1]
    settings = {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": "7b" * 32} if mode else {}
    command = ["ray", "start", "--head", "--block", "--num-cpus=1", "--disable-usage-stats"]
    command += [f"--dashboard-port={port}", f"--port={gcs}", "--dashboard-host=127.0.0.1"]
    command += ["--object-store-memory=80000000", f"--temp-dir={tmp_path}"]
    with subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            told = None
            for _ in range(120):
                (told,) = probe([Socket("127.0.0.1", port, "127.0.0.1")], timeout_s=20)
                if told.outcome not in {Outcome.FAILED, Outcome.NOT_APPLICABLE}:
                    break
                time.sleep(1)
            assert told is not None
            assert told.outcome is outcome
        finally:
            os.killpg(server.pid, signal.SIGTERM)
