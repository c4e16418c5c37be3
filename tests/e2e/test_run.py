"""The lifecycle as users meet it: skipping, resuming, refusing, failing, being killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hauberk.core.codec import from_json
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Isolation
from hauberk.core.record import RunRecord, StepReport, StepState
from hauberk.errors import TrustError, UnavailableError, UsageError
from hauberk.lifecycle import releases
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.verification import verify_project
from hauberk.range import sample
from hauberk.range.forgeries import Site
from hauberk.trust.chain import verify_chain
from hauberk.trust.places import BlobPlace
from hauberk.trust.root import resolve
from hauberk.trust.store import Store

KILLS = int(os.environ.get("HAUBERK_TEST_KILLS", "3"))


def states(record: RunRecord) -> dict[Component, StepState]:
    return {step.component: step.state for step in record.steps}


def step(record: RunRecord, component: Component) -> StepReport:
    return next(item for item in record.steps if item.component is component)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_all_sixteen_components_are_done(site: Site, options: Options) -> None:
    record = run(load(site.root), options)
    assert record.exit_code == 0
    assert set(states(record).values()) <= {StepState.DONE, StepState.SKIPPED}
    assert len(record.steps) == 16


def test_steps_that_nothing_changed_for_are_skipped(site: Site, options: Options) -> None:
    found = states(run(load(site.root), options))
    assert found[Component.PREPROCESSING] is StepState.SKIPPED
    assert found[Component.TRAINING] is StepState.SKIPPED


def test_a_changed_script_runs_again_and_its_results_with_it(site: Site, options: Options) -> None:
    edit(site.root / "steps" / "train.py", "max_iter=1000", "max_iter=2000")
    assert states(run(load(site.root), options))[Component.TRAINING] is StepState.DONE


def test_the_record_reads_back_as_it_was(site: Site, options: Options) -> None:
    record = run(load(site.root), options)
    path = site.root / ".hauberk" / "runs" / record.run_id / "record.json"
    assert from_json(RunRecord, json.loads(path.read_text())).steps[0].component is (
        Component.ACQUISITION
    )


def test_a_released_run_verifies_again(site: Site, options: Options) -> None:
    run(load(site.root), options)
    chain = verify_project(load(site.root), site.configuration)
    assert chain.release.sequence == 2
    assert any(link.from_earlier_run for link in chain.links)


def test_changed_raw_data_are_refused_by_their_pin(site: Site, options: Options) -> None:
    with (site.root / "data" / "examinations.csv").open("a") as file:
        file.write("\n")
    record = run(load(site.root), options)
    assert record.exit_code == 1
    report = step(record, Component.ACQUISITION)
    assert report.state is StepState.REFUSED
    assert "never change" in report.reason


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed"),
        ('open("undeclared.csv")', "add the file to inputs"),
        ("x = bytearray(1 << 45)", "exit code"),
        ("import nothing_like_this", "install it there"),
        ("import sys; sys.exit(0)", "did not write data/clean.csv"),
        ("while True: pass", "longer than"),
        ('open("data/clean.csv", "w").write("x" * 200_000_000)', "clean"),
    ],
)
def test_a_step_that_does_not_do_its_job_stops_the_run(
    site: Site, options: Options, line: str, words: str
) -> None:
    script = site.root / "steps" / "clean.py"
    script.write_text(line + "\n" + script.read_text())
    edit(
        site.root / "hauberk.toml",
        'outputs = ["data/clean.csv"]',
        'outputs = ["data/clean.csv"]\nlimits = { wall_s = 3, cpu_s = 3, file = "100MB" }',
    )
    record = run(load(site.root), options)
    report = step(record, Component.PREPROCESSING)
    assert record.exit_code == 1
    assert report.state is StepState.FAILED
    assert words in report.reason or words in str(report.sections)
    assert states(record)[Component.TRAINING] is StepState.NOT_RUN


def test_after_a_failed_step_the_next_run_goes_on(site: Site, options: Options) -> None:
    script = site.root / "steps" / "train.py"
    good = script.read_text()
    script.write_text("raise SystemExit(1)\n" + good)
    assert run(load(site.root), options).exit_code == 1
    script.write_text(good)
    found = run(load(site.root), options)
    assert found.exit_code == 0
    assert states(found)[Component.TRAINING] is StepState.SKIPPED


def test_nothing_is_released_when_a_bound_is_not_kept(site: Site, options: Options) -> None:
    edit(site.root / "hauberk.toml", ">= 0.95", ">= 0.9999")
    record = run(load(site.root), options)
    assert states(record)[Component.VALIDATION] is StepState.REFUSED
    assert verify_project(load(site.root), site.configuration).release.sequence == 1


def test_a_bound_on_something_unknown_is_a_usage_error(site: Site, options: Options) -> None:
    edit(site.root / "hauberk.toml", "roc_auc =", "rocauc =")
    with pytest.raises(UsageError, match="cannot be measured"):
        run(load(site.root), options)


def test_a_damaged_blob_makes_the_step_run_again(site: Site, options: Options) -> None:
    store = Store.open(site.root)
    chain = verify_project(load(site.root), site.configuration)
    model = next(
        link.step.products["model.joblib"] for link in chain.links if link.step.name == "training"
    )
    path = store.blobs.path(model)
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    record = run(load(site.root), options)
    assert record.exit_code == 0
    assert states(record)[Component.TRAINING] is StepState.DONE


def test_a_forged_cache_entry_is_not_believed(site: Site, options: Options) -> None:
    for entry in (site.root / ".hauberk" / "cache").rglob("*"):
        if entry.is_file() and entry.suffix != ".sqlite":
            data = bytearray(entry.read_bytes())
            data[-1] ^= 1
            entry.chmod(0o600)
            entry.write_bytes(data)
    assert states(run(load(site.root), options))[Component.TRAINING] is StepState.DONE


def test_a_lowered_policy_is_refused_before_anything_runs(site: Site, options: Options) -> None:
    path = site.root / "hauberk.toml"
    path.write_text(path.read_text() + '\n[policy]\nfail_on = "critical"\n')
    with pytest.raises(TrustError, match="lowers"):
        run(load(site.root), options)


def test_a_level_that_is_not_there_is_refused(site: Site, options: Options) -> None:
    path = site.root / "hauberk.toml"
    path.write_text(path.read_text() + '\n[policy]\nmin_isolation = "landlock"\n')
    with pytest.raises(UnavailableError, match="weaker"):
        run(load(site.root), replace(options, level=Isolation.OBSERVE))


def test_at_observe_nothing_is_signed_or_released(site: Site, options: Options) -> None:
    record = run(load(site.root), replace(options, level=Isolation.OBSERVE))
    assert record.exit_code == 0
    assert states(record)[Component.MODEL_REGISTRY] is StepState.NOT_RUN
    assert "unsigned" in record.trust["signatures"]


def test_somebody_with_keys_of_their_own_cannot_add_to_a_log(
    site: Site, options: Options, tmp_path: Path
) -> None:
    from hauberk.lifecycle.signing import make_keys

    list(make_keys(tmp_path / "other"))
    before = sorted((p, p.stat().st_size) for p in (site.root / ".hauberk" / "log").rglob("*"))
    with pytest.raises(TrustError, match="signed by others"):
        run(load(site.root), replace(options, configuration=tmp_path / "other"))
    (root,) = (options.configuration / "roots").glob("*.json")
    with pytest.raises(TrustError, match="signed by others"):
        run(load(site.root), replace(options, configuration=tmp_path / "other", root_file=root))
    after = sorted((p, p.stat().st_size) for p in (site.root / ".hauberk" / "log").rglob("*"))
    assert after == before
    assert run(load(site.root), options).exit_code == 0


def test_a_second_run_waits_or_refuses(site: Site, options: Options) -> None:
    told: list[str] = []
    with (
        Store.open(site.root).lock(),
        pytest.raises(UnavailableError, match="in use"),
    ):
        run(load(site.root), replace(options, lock_timeout_s=0.0, waiting=told.append))


def test_a_step_cannot_read_the_keys(site: Site, options: Options) -> None:
    script = site.root / "steps" / "clean.py"
    key = site.configuration / "keys" / "release.pem"
    script.write_text(f"open({str(key)!r}).read()\n" + script.read_text())
    record = run(load(site.root), options)
    assert step(record, Component.PREPROCESSING).state is StepState.FAILED


@pytest.mark.slow
def test_a_run_killed_at_any_moment_is_taken_up_by_the_next(
    site: Site, options: Options, tmp_path: Path
) -> None:
    rng = random.Random(20261)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    shutil.copytree(site.configuration, tmp_path / "xdg" / "hauberk")
    command = (sys.executable, "-m", "hauberk.cli", "run", "--quiet", str(site.root))
    for round_number in range(KILLS):
        edit_number(site.root / "steps" / "clean.py", round_number)
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(rng.uniform(0.2, 6.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert released(site) >= 1
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    verify_project(load(site.root), tmp_path / "xdg" / "hauberk")


def released(site: Site) -> int:
    """Number of the release that the store holds, verified from the store alone."""
    store = Store.open(site.root, read_only=True)
    release, statements = releases.envelopes(store, releases.required(store, sample.NAME))
    root = resolve(sample.NAME, site.configuration)
    return verify_chain(
        release=release,
        statements=statements,
        places=(BlobPlace(blobs=store.blobs),),
        root=root,
    ).release.sequence


def edit_number(path: Path, number: int) -> None:
    path.write_text(path.read_text() + f"\n# round {number}\n")
