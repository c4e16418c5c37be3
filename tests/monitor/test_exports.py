"""What ships for Prometheus and Grafana, held against the real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from importlib.resources import files

import pytest
from tests.monitor.test_watching import NOW, rows, world

from hauberk.guard.metrics import Metrics
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.server import running
from hauberk.monitor.exposition import exposition
from hauberk.monitor.web import App

__all__ = ["world"]

EXPORTS = files("hauberk.monitor.exports")
RULES = EXPORTS.joinpath("hauberk-rules.yml").read_text()
DASHBOARD = EXPORTS.joinpath("hauberk-dashboard.json").read_text()
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="prometheus is not installed"
)


@pytest.fixture
def monitor(world):
    world.put("a.parquet", rows(1, 400, at=NOW))
    monitor = world.open()
    monitor.tick()
    return monitor


def test_rules_and_dashboard_ask_only_for_series_that_exist(monitor):
    text = exposition(monitor) + Metrics(model="m", version="1").text()
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    asked = set(re.findall(r"\bhauberk_[a-z0-9_]+", RULES + DASHBOARD))
    assert asked <= known


def test_the_dashboard_is_json_with_a_panel_for_each_part():
    value = json.loads(DASHBOARD)
    assert len({panel["id"] for panel in value["panels"]}) == len(value["panels"]) == 12
    assert all(panel["targets"][0]["expr"] for panel in value["panels"])


@needs_prometheus
def test_promtool_accepts_rules_and_metrics(monitor, tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    subprocess.run(["promtool", "check", "rules", rules], check=True, capture_output=True)
    text = exposition(monitor).encode()
    run = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@needs_prometheus
def test_a_real_prometheus_scrapes_the_monitor_and_loads_the_rules(monitor, tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    with running(App(monitor), GuardPolicy()) as server, socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "rule_files": [str(tmp_path / "rules.yml")],
            "scrape_configs": [
                {
                    "job_name": "hauberk",
                    "static_configs": [{"targets": [server.url.removeprefix("http://")]}],
                }
            ],
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            asked = urllib.parse.quote('hauberk_monitor_rows{model="loans"}')
            found = _asked(f"http://127.0.0.1:{port}/api/v1/query?query={asked}", "result")
            groups = _asked(f"http://127.0.0.1:{port}/api/v1/rules", "groups")
        finally:
            process.terminate()
            process.wait()
    assert found[0]["value"][1] == "400"
    assert len(groups[0]["rules"]) == RULES.count("- alert:")


def _asked(url, part):
    """The answer, once it is not empty."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = json.load(answer)["data"][part]
        except OSError:
            found = []
        if found:
            return found
        time.sleep(0.1)
    return pytest.fail(f"nothing at {url}")
