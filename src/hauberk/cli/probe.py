"""Ask services that run on this machine whether they let anybody in.

Without arguments every socket that listens here is asked. Known are Jupyter, MLflow, Ray,
TensorBoard, TorchServe, Triton, Airflow, Kubeflow, MinIO, Redis, Docker, Spark, Ollama and some
others. Requests only read; no password is tried; other machines are refused. A service that only
this machine reaches is told as medium, one that others reach as high or critical.

Exit codes: 0 nothing at or above --fail-on, 1 an open service, 2 usage, 3 a named socket did not
answer.
"""

from __future__ import annotations

import argparse
import sys

from hauberk.core.finding import Severity

HELP = "ask services of this machine whether they let anybody in"
EXAMPLE = "hauberk probe 127.0.0.1:5000"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("sockets", nargs="*", metavar="HOST:PORT", help="default: all that listen")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.add_argument(
        "--fail-on",
        choices=[severity.value for severity in reversed(Severity)],
        default=Severity.HIGH.value,
        help="mildest severity that makes exit code 1 (default: high)",
    )
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S", help="for each request")


def run(args: argparse.Namespace) -> int:
    """Ask and tell."""
    from datetime import UTC, datetime

    from hauberk import report
    from hauberk.core.policy import Policy
    from hauberk.engine import decide
    from hauberk.report import ScanResult
    from hauberk.scanner.probing import CONTROL, listening, probe, sockets_of

    sockets = sockets_of(args.sockets) if args.sockets else listening()
    told = tuple(probe(sockets, timeout_s=args.timeout))
    required = frozenset({CONTROL}) if args.sockets else frozenset()
    policy = Policy(fail_on=Severity(args.fail_on), required=required)
    verdict = decide(told, policy, today=datetime.now(UTC).date())
    result = ScanResult(
        findings=tuple(finding for item in told for finding in item.findings),
        assessments=told,
        summary={
            "sockets": [item.name for item in sockets],
            "decision": verdict.decision.value,
            "exit_code": verdict.exit_code,
            "fail_on": args.fail_on,
        },
    )
    if args.format == "text":
        from hauberk.cli.words import colour

        for item in told:
            sys.stdout.write(f"{item.path}: {item.reason}\n")
        sys.stdout.write(report.scan_text(result, colour=colour()))
    else:
        writer = {"json": report.scan_json, "sarif": report.scan_sarif}[args.format]
        sys.stdout.write(writer(result))
    return verdict.exit_code
