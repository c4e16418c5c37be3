"""Layouts of pipelines as people write them: read from TOML, proposed from a run's statements."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from hauberk.errors import ArtifactError, UsageError
from hauberk.lifecycle.wrapping import FOLDER
from hauberk.trust.fields import Fields, time_text
from hauberk.trust.oms.signers import read_public_file
from hauberk.trust.predicates import Step
from hauberk.trust.step_layout import StepLayout, read_source
from hauberk.trust.step_links import read_statement

_MAX_BYTES = 4 << 20


def read_toml(path: Path) -> StepLayout:
    """The layout that a person wrote; keys are files beside it.

    Raises:
        UsageError: There is no such file, or it is no TOML.
        ArtifactError: It is no layout, or contradicts itself.
    """
    try:
        data = path.read_bytes()
        table = tomllib.loads(data[:_MAX_BYTES].decode("utf-8"))
    except OSError as error:
        raise UsageError("there is no layout", subject=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError("this is no TOML", subject=str(path), found=str(error)[:100]) from error
    keys = Fields.of(table.get("keys"), f"{path.name}.keys")
    known = {name: read_public_file(path.parent / keys.text(name)) for name in keys.values}
    return read_source(path.name, table, known)


def statements(root: Path) -> list[Step]:
    """The steps that ``hauberk step`` attested in a project, in the order in which they ended.

    Raises:
        UsageError: There are none.
        ArtifactError: One is malformed.
    """
    paths = sorted((root / FOLDER).glob("*.json")) if (root / FOLDER).is_dir() else []
    if not paths:
        raise UsageError(
            "no step was attested here", subject=str(root / FOLDER), hint="hauberk step NAME ..."
        )
    found = sorted((read_statement(path.read_bytes()) for path in paths), key=lambda s: s.finished)
    makers = {path: step.name for step in found for path in step.products}
    for number, step in enumerate(found):
        before = {one.name for one in found[:number]}
        late = [path for path in step.materials if makers.get(path, step.name) not in before]
        if any(path in makers for path in late):
            raise ArtifactError(
                "steps are not in one order",
                subject=step.name,
                rule="a step takes what earlier steps made",
                found=late[0],
                hint="run the steps again in their order",
            )
    return found


def proposal(name: str, steps: Sequence[Step], keys: Mapping[str, str], expires: float) -> str:
    """A layout that allows exactly what the steps did, as TOML with hints.

    Sources are pinned to the bytes that the run took; where they may change, write ``any``.
    """
    day = time_text(expires)[:10]
    lines = [
        f"name = {json.dumps(name)}",
        f"expires = {day}T00:00:00Z",
        "same_run = false  # true where every run has an id, as on GitHub and GitLab",
        "",
        "[keys]",
        *(f"{json.dumps(key)} = {json.dumps(path)}" for key, path in keys.items()),
    ]
    makers: dict[str, str] = {}
    for step in steps:
        image = str(step.parameters.get("image", "")).rpartition("@")[2]
        network = step.parameters.get("network", [])
        lines += [
            "",
            "[[steps]]",
            f"name = {json.dumps(step.name)}",
            f"command = {json.dumps(list(step.command))}",
            f"by = {json.dumps(list(keys))}",
            "threshold = 1",
            f"level = {json.dumps(step.isolation.value)}",
            *([f"network = {json.dumps(network)}"] if network else []),
            *([f"image = {json.dumps(image)}"] if image else []),
            f"products = {json.dumps(list(step.products))}",
            "[steps.materials]",
        ]
        lines += [
            f"{json.dumps(path)} = {json.dumps(makers.get(path, digest))}"
            for path, digest in step.materials.items()
        ]
        makers |= dict.fromkeys(step.products, step.name)
    return "\n".join(lines) + "\n"
