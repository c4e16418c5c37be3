"""Gates whose failure nothing notices: in makefiles, stages of DVC, tasks and flows of clusters.

A dash before a line of a makefile, ``|| true`` behind a command, ``continueOn`` of a step: what
comes next runs whatever the gate said. Only commands that judge a model or its data count; that
a formatter or a cleaning may fail is nobody's harm.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.formats.yaml_text import Node
from hauberk.methods.code.commands import continued
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.code.settings_files import is_script
from hauberk.methods.expressions import expression

GATE = rule(
    "workflow-faults/soft-gate",
    "medium",
    "goes on when a test, scan or gate fails",
    "Let the failure stop the job.",
    "CWE-754",
    review=True,
)

SHIPS = expression(
    r"(?i)(?:^|[\W_])(?:deploy|promot|releas|publish|ship|register|roll_?out|canary|go_?live)"
)
_JUDGES = (
    r"(?:gates?|evaluat\w*|validat\w*|fairness|drift|bias|quality|check_?(?:model|data|metrics?)|model_?check|"
    r"threshold\w*|verify|verification|hauberk|modelscan|great_expectations|regression_?tests?|acceptance)"
)
_NAMED = expression(rf"(?i)(?:^|[\s/._:-]){_JUDGES}(?=$|[\s/._:\"'-])")
_RUN = (
    r"(?:\bpython[\d.]*\b|\b(?:uv|poetry|pdm|pixi|hatch|pipenv)\s+run\b|\b(?:ba|z)?sh\b|\./|\bhauberk\b|"
    rf"\bmodelscan\b|\$\((?:PYTHON|PY)\))[^\n;&|]{{0,200}}?(?:^|[\s/._-]){_JUDGES}(?=$|[\s/._\"'-])[^\n;&|]{{0,200}}"
)
_TOLERATED = expression(
    rf"(?i)(?P<gate>{_RUN})(?:\|\|\s*(?:true|:|exit\s+0|echo\b[^\n&|]*)|;\s*(?:exit\s+0|true|:))[\"'\s]*$"
)
_DASHED = expression(rf"(?i)^\t[@+]*-[@+]*\s*(?P<gate>{_RUN})$")
_STAGES = frozenset({"dvc.yaml", "MLproject", "Taskfile.yml", "Taskfile.yaml", "taskfile.yml"})
_MAX_LINE = 2000


def soft_gate_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file of commands or stages; none of most."""
    path = file.path
    if path.name not in _STAGES and not is_script(path, file.text):
        return
    is_make = path.name.lower() in {"makefile", "gnumakefile"} or path.suffix == ".mk"
    for number, line in enumerate(continued(file.text).split("\n"), start=1):
        if len(line) > _MAX_LINE or line.lstrip().startswith("#"):
            continue
        found = _TOLERATED.search(line) or (_DASHED.search(line) if is_make else None)
        if found is not None:
            yield Hit(GATE, number, " ".join(line.split())[:60])


def soft_steps(root: Node) -> Iterator[Hit]:
    """Steps of flows that judge and may fail: Argo, Tekton, tasks."""
    for path, node in root.walk():
        if node.kind != "mapping":
            continue
        allowed = node.get("continueOn")
        line, said = node.line, ""
        if allowed is not None and "true" in {allowed.string("failed"), allowed.string("error")}:
            line, said = allowed.line, "continueOn"
        for key, value in (("onError", "continue"), ("ignore_error", "true")):
            if node.string(key) == value:
                line, said = node.key_lines[key], f"{key}: {value}"
        if said and _NAMED.search(" ".join([*path[-1:], *_words(node)])):
            yield Hit(GATE, line, said)


def _words(node: Node) -> list[str]:
    """What a step is called and what it runs."""
    found = [value.text or "" for value in node.entries.values()]
    for key in ("command", "args", "cmd", "cmds", "script"):
        inner = node.get(key)
        found += inner.strings() if inner is not None else []
    return found
