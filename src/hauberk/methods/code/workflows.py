"""Continuous integration: GitHub, GitLab, Azure, CircleCI and Jenkins files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath

from hauberk.core.artifact import SourceFile
from hauberk.formats.yaml_text import Node, read_yaml
from hauberk.methods.code.commands import dumps_environment, faults
from hauberk.methods.code.images import ARCHIVE, INDEX, MOVING, index_fault
from hauberk.methods.code.python_loading import MOVING as HUB
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.code.services import command_faults, setting_fault
from hauberk.methods.code.soft_gates import GATE, SHIPS
from hauberk.methods.code.workflow_flow import job_hits, strangers_hits
from hauberk.methods.expressions import expression

FAMILY = "workflow-faults"
INJECTION = rule(
    "workflow-faults/injection",
    "high",
    "puts text that strangers write into a command",
    "Hand it over in an environment variable and quote that variable.",
    "CWE-94",
)
INPUT = rule(
    "workflow-faults/input-in-command",
    "medium",
    "puts what a caller gives as input into a command",
    "Hand it over in an environment variable and quote that variable.",
    "CWE-94",
)
UNTRUSTED = rule(
    "workflow-faults/untrusted-checkout",
    "critical",
    "runs a stranger's code with the rights of the repository",
    "Use the trigger pull_request, or never check out the pull request here.",
    "CWE-829",
)
RIGHTS = rule(
    "workflow-faults/wide-rights",
    "high",
    "gives a job rights to write everything",
    "Start with permissions: {} and add what a job needs.",
    "CWE-250",
)
UNPINNED = rule(
    "workflow-faults/unpinned-action",
    "medium",
    "uses an action or template by a name that can move",
    "Name the full commit.",
    "CWE-494",
)
BRANCH = rule(
    "workflow-faults/moving-action",
    "high",
    "uses an action or template from a branch",
    "Name the full commit.",
    "CWE-494",
)
CLEARTEXT = rule(
    "workflow-faults/cleartext-include",
    "high",
    "takes a part of the pipeline from an address without TLS",
    "Keep it in a project of your own, and name the commit.",
    "CWE-319",
)
SELF_HOSTED = rule(
    "workflow-faults/self-hosted",
    "high",
    "runs pull requests on a machine of your own",
    "Use ephemeral runners for pull requests, or require approval.",
    "CWE-829",
)
LEAK = rule(
    "workflow-faults/secret-leak",
    "high",
    "prints or hands out secrets",
    "Hand a secret to the one step that needs it, in its environment, and print nothing.",
    "CWE-532",
)
INHERIT = rule(
    "workflow-faults/all-secrets",
    "medium",
    "hands every secret to a called workflow or step",
    "Name the secrets that it needs.",
    "CWE-250",
)
PIPED = rule(
    "workflow-faults/pipe-to-shell",
    "high",
    "runs what it downloads",
    "Download, compare a digest, then run.",
    "CWE-494",
)
UNCHECKED = rule(
    "workflow-faults/unchecked-download",
    "high",
    "downloads while checks of certificates are off",
    "Keep the checks on.",
    "CWE-295",
)
COMMANDS = rule(
    "workflow-faults/unsafe-commands",
    "high",
    "lets printed text set variables of later steps",
    "Write to the files that the runner offers, with fixed text.",
    "CWE-77",
)
IMAGE = rule(
    "workflow-faults/unpinned-image",
    "medium",
    "runs a job in an image that its name does not fix",
    "Name the digest.",
    "CWE-494",
)
PRIVILEGED = rule(
    "workflow-faults/privileged",
    "high",
    "hands control of the runner to a container",
    "Build images without privileges (rootless, kaniko, buildah).",
    "CWE-250",
)
ACTOR = rule(
    "workflow-faults/actor-check",
    "medium",
    "trusts a name that a stranger can bring about",
    "Check the author of the pull request and the event.",
    "CWE-290",
)
ARTIFACT = rule(
    "workflow-faults/untrusted-artifact",
    "high",
    "uses what another run uploaded without checking whose it was",
    "Check the run's event and head repository, and treat the content as data.",
    "CWE-829",
)
UPLOAD = rule(
    "workflow-faults/uploads-credentials",
    "high",
    "uploads the whole work folder, with the credentials that the checkout left in it",
    "Say persist-credentials: false, and upload named files.",
    "CWE-522",
)
CACHE = rule(
    "workflow-faults/cache",
    "medium",
    "shares a cache between strangers' code and trusted jobs",
    "Leave caches away in privileged and release jobs.",
    "CWE-349",
)

_HEX = expression(r"[0-9a-f]{40}|sha256:[0-9a-f]{64}")
_STRANGERS = expression(
    r"\$\{\{[^}]*\b(?:github\.event\.(?:issue\.(?:title|body)|pull_request\.(?:title|body|head\.(?:ref|label|repo\.\w+))|"
    r"comment\.body|review\.body|review_comment\.body|pages\.\S*page_name|commits\S*\.(?:message|author\.\w+)|"
    r"head_commit\.(?:message|author\.(?:name|email))|discussion\.(?:title|body)|"
    r"workflow_run\.(?:head_branch|head_commit\.\S+|display_title|pull_requests\S*)|client_payload\.\S+|"
    r"release\.(?:name|body|tag_name)|inputs\.\w+)|github\.head_ref|inputs\.[\w-]+|github\.ref_name|steps\.[\w-]+\.outputs\.(?:title|body|message|branch|ref|head_ref|comment)\w*)\b[^}]*\}\}"
)
_PULL = expression(
    r"github\.event\.pull_request\.head\.(?:sha|ref|repo)|github\.head_ref|refs/pull/|"
    r"github\.event\.workflow_run\.head_(?:sha|branch|repository)|github\.event\.(?:issue|number|pull_request\.number)|"
    r"merge_commit_sha|pr_number|head_sha|client_payload"
)
_GATES = expression(
    r"\b(?:pytest|unittest|tox|nox|test|tests|bandit|hauberk|trivy|safety|pip-audit|scan|semgrep|gitleaks|"
    r"validate|validation|evaluate|evaluation|verify|gates?|check|checks|fairness|quality|robust\w*|drift|regress\w*|bias|benchmark|cosign|mypy|great_expectations|modelscan|zizmor)\b",
    re.IGNORECASE,
)
_STYLED = expression(
    r"\b(?:ruff|black|isort|flake8|prettier|eslint|yapf|codespell|pydocstyle)\b[^\n;&|]*"
)


def _is_gate(text: str) -> bool:
    """Whether a step judges; that a check of style may fail harms nobody."""
    return _GATES.search(_STYLED.sub(" ", text)) is not None


_RISKY = frozenset({"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion"})
_KINDS: dict[str, Rule] = {
    "pipe": PIPED,
    "hub": HUB,
    "decoded": PIPED,
    "tls": UNCHECKED,
    "index": INDEX,
    "moving": MOVING,
    "archive": ARCHIVE,
    "printed": LEAK,
    "socket": PRIVILEGED,
}


def workflow_kind(path: PurePath) -> str:
    """Which system a file belongs to; empty for none."""
    name, parts = path.name.lower(), path.parts
    if path.suffix in {".yml", ".yaml"} and ".github" in parts and "workflows" in parts:
        return "github"
    if name in {"action.yml", "action.yaml"}:
        return "action"
    if name.startswith(".gitlab-ci") or (".gitlab" in parts and path.suffix in {".yml", ".yaml"}):
        return "gitlab"
    if name.startswith("azure-pipelines") or ".azuredevops" in parts or ".azure" in parts:
        return "azure" if path.suffix in {".yml", ".yaml"} else ""
    if ".circleci" in parts and path.suffix in {".yml", ".yaml"}:
        return "circle"
    return "jenkins" if name.startswith("jenkinsfile") or name.endswith(".jenkinsfile") else ""


def workflow_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file of continuous integration.

    Raises:
        ArtifactError: It does not parse.
    """
    kind = workflow_kind(file.path)
    if kind == "jenkins":
        yield from _jenkins(file.text)
        return
    readers: dict[str, Callable[[Node], Iterator[Hit]]] = {
        "github": _github,
        "action": _action,
        "gitlab": _gitlab,
        "azure": _azure,
        "circle": _circle,
    }
    for document in read_yaml(file.text, name=file.name):
        yield from readers[kind](document)


def _command(text: str, line: int) -> Iterator[Hit]:
    """Faults of a command in any system."""
    for kind, offset, found in faults(text):
        if kind in _KINDS:
            yield Hit(_KINDS[kind], line + offset, found)
    for broken, offset, found in command_faults(text):
        yield Hit(broken, line + offset, found)
    for match in re.finditer(r"[^\n]*\|\|\s*(?:true|:|exit\s+0|echo\b)[^\n]*", text):
        if _GATES.search(match[0]) and not match[0].lstrip().startswith("#"):
            yield Hit(GATE, line + text.count("\n", 0, match.start()), match[0].strip())


def _block_line(node: Node) -> int:
    return node.line + 1 if node.kind == "block" else node.line


_SCANNERS = expression(
    r"\b(?:hauberk|detect-secrets|gitleaks|betterleaks|bandit|zizmor|semgrep|modelscan|pip-audit|safety|trufflehog|checkov)\b"
)
"""Hooks that look for harm: what ``SKIP`` may not leave out in a pipeline."""


def _variables(node: Node | None) -> Iterator[Hit]:
    for key, value in node.entries.items() if node is not None else ():
        if value.text is None:
            continue
        broken = index_fault(key, value.text)
        if broken is not None:
            yield Hit(broken, value.line, key)
        if key == "ACTIONS_ALLOW_UNSECURE_COMMANDS" and value.text.lower() == "true":
            yield Hit(COMMANDS, value.line, key)
        if key == "SKIP" and _SCANNERS.search(value.text):
            yield Hit(GATE, value.line, f"SKIP: {value.text}"[:60])
        if key in {"CI_DEBUG_TRACE", "ACTIONS_STEP_DEBUG", "system.debug", "CI_DEBUG_SERVICES"}:
            yield from [Hit(LEAK, value.line, key)] if value.text.lower() == "true" else []
        if key in {"GIT_SSL_NO_VERIFY", "NODE_TLS_REJECT_UNAUTHORIZED", "PYTHONHTTPSVERIFY"}:
            off = value.text.lower() in {"true", "1"} if key[0] == "G" else value.text == "0"
            yield from [Hit(UNCHECKED, value.line, key)] if off else []
        elif (opened := setting_fault(key, value.text)) is not None:
            yield Hit(opened, value.line, key)
        if re.search(r"toJSON\(\s*secrets\s*\)", value.text):
            yield Hit(LEAK, value.line, "toJSON(secrets)")


# GitHub --------------------------------------------------------------------------------


def _events(root: Node) -> set[str]:
    on = root.get("on") or root.get("true")
    if on is None:
        return set()
    return set(on.entries) or set(on.strings())


def _github(root: Node) -> Iterator[Hit]:
    events = _events(root)
    yield from _rights(root, events)
    yield from _variables(root.get("env"))
    jobs = root.get("jobs")
    for name, job in jobs.entries.items() if jobs is not None else ():
        yield from _rights(job, events)
        yield from _job(job, events)
        yield from job_hits(name, job, events, GATE)
        steps = job.get("steps")
        outer = [root.get("env"), job.get("env")]
        yield from strangers_hits(steps.items if steps else [], outer, _STRANGERS, INJECTION)


def _rights(node: Node, events: set[str]) -> Iterator[Hit]:
    given = node.get("permissions")
    if given is None:
        return
    if given.text == "write-all":
        yield Hit(RIGHTS, given.line, "permissions: write-all")
    writes = [key for key, value in given.entries.items() if value.text == "write"]
    is_risky = bool(events & {"pull_request_target", "issue_comment"}) and "contents" in writes
    if len(writes) > 5 or is_risky:
        yield Hit(RIGHTS, given.line, ", ".join(writes))


def _job(job: Node, events: set[str]) -> Iterator[Hit]:
    yield from _variables(job.get("env"))
    yield from _runner(job, events)
    if job.string("secrets") == "inherit":
        yield Hit(INHERIT, _line(job, "secrets"), "secrets: inherit")
    yield from _uses(job.string("uses"), _line(job, "uses"))
    container = job.get("container")
    yield from _image(container.get("image") or container if container is not None else None)
    services = job.get("services")
    for service in services.entries.values() if services is not None else ():
        yield from _image(service.get("image"))
    options = container.string("options") if container is not None else ""
    if "--privileged" in options and container is not None:
        yield Hit(PRIVILEGED, _line(container, "options"), options)
    if job.string("continue-on-error") == "true":
        yield Hit(GATE, _line(job, "continue-on-error"), "continue-on-error: true")
    yield from _condition(job)
    steps = job.get("steps")
    yield from _steps(steps.items if steps is not None else [], events)


def _line(node: Node, key: str) -> int:
    return node.key_lines.get(key, node.line)


def _runner(job: Node, events: set[str]) -> Iterator[Hit]:
    runs_on = job.get("runs-on")
    if runs_on is None:
        return
    labels = " ".join([*runs_on.strings(), *(runs_on.get("labels") or Node(0)).strings()])
    if "self-hosted" in labels and events & {"pull_request", *_RISKY}:
        yield Hit(SELF_HOSTED, runs_on.line, labels)


def _condition(node: Node) -> Iterator[Hit]:
    text = node.string("if")
    if re.search(r"github\.(?:actor|triggering_actor)\s*==\s*'[^']*\[bot\]'", text):
        yield Hit(ACTOR, _line(node, "if"), text)


def _steps(steps: list[Node], events: set[str]) -> Iterator[Hit]:
    checked_out = False
    keeps = False
    for step in steps:
        uses, given = step.string("uses"), step.get("with")
        yield from _uses(uses, _line(step, "uses"))
        yield from _variables(step.get("env"))
        yield from _condition(step)
        if uses.startswith("actions/checkout"):
            keeps = keeps or given is None or given.string("persist-credentials") != "false"
            if given is not None and events & _RISKY and _is_strangers(given):
                checked_out = True
                yield Hit(UNTRUSTED, _line(given, "ref"), given.string("ref"))
        yield from _step(step, given, events, keeps=keeps)
        run = step.get("run")
        if run is not None and re.search(r"\|\|\s*(?:true|:|exit 0)\s*$", run.text or ""):
            if _GATES.search(step.string("name")):
                yield Hit(GATE, _block_line(run), f"{step.string('name')}: {run.text}"[:60])
        if run is not None:
            yield from _github_run(run, events, told=checked_out)


def _is_strangers(given: Node) -> bool:
    return any(_PULL.search(given.string(key)) for key in ("ref", "repository"))


def _step(step: Node, given: Node | None, events: set[str], *, keeps: bool) -> Iterator[Hit]:
    uses = step.string("uses")
    if step.string("continue-on-error") == "true" and _GATES.search(
        f"{uses} {step.string('name')} {step.string('run')}"
    ):
        yield Hit(GATE, _line(step, "continue-on-error"), "continue-on-error: true")
    if given is None:
        return
    script = given.get("script")
    if script is not None and _STRANGERS.search(script.text or ""):
        yield from _injections(script)
    if (
        "upload-artifact" in uses
        and keeps
        and given.string("path") in {".", "./", "${{ github.workspace }}", "*", "**"}
    ):
        yield Hit(UPLOAD, _line(given, "path"), f"path: {given.string('path')}")
    run = given.string("run-id")
    is_foreign = "download-artifact" in uses and (
        "workflow_run" in events
        or given.string("workflow")
        or (run and not re.fullmatch(r"\$\{\{\s*github\.run_id\s*\}\}", run))
    )
    if is_foreign and "pull" not in step.string("if"):
        yield Hit(ARTIFACT, _line(step, "uses"), uses)
    if "actions/cache" in uses and events & {"pull_request_target", "workflow_run"}:
        yield Hit(CACHE, _line(step, "uses"), uses)
    for key, value in given.entries.items():
        if re.search(r"toJSON\(\s*secrets\s*\)", value.text or ""):
            yield Hit(LEAK, value.line, key)


def _github_run(run: Node, events: set[str], *, told: bool) -> Iterator[Hit]:
    text, line = run.text or "", _block_line(run)
    yield from _injections(run)
    yield from _command(text, line)
    for match in re.finditer(r"toJSON\(\s*secrets\s*\)", text):
        yield Hit(LEAK, line + text.count("\n", 0, match.start()), match[0])
    leaked = re.search(
        r"\$\{\{\s*secrets\.\w+\s*\}\}[^\n]*\|\s*(?:base64|rev|xxd|sed|od)|set\s+-x[\s\S]*secrets\.",
        text,
    )
    if leaked is not None:
        yield Hit(LEAK, line + text.count("\n", 0, leaked.start()), "secret")
    written = re.search(r"::set-(?:env|output)\s+name|::add-path::", text)
    if written is not None and "::set-env" in text:
        yield Hit(COMMANDS, line + text.count("\n", 0, written.start()), written[0])
    fetched = re.search(
        r"\b(?:gh\s+pr\s+checkout|git\s+(?:fetch|checkout)[^\n]*(?:pull/|head_ref|\$PR))", text
    )
    if fetched is not None and events & _RISKY and not told:
        yield Hit(UNTRUSTED, line + text.count("\n", 0, fetched.start()), fetched[0])
    dumped = dumps_environment(text)
    if dumped is not None:
        yield Hit(LEAK, line + dumped, "prints the environment")


def _injections(node: Node) -> Iterator[Hit]:
    text = node.text or ""
    for match in _STRANGERS.finditer(text):
        if re.search(r"github\.ref_name", match[0]) and "github.head_ref" not in match[0]:
            continue
        is_input = re.search(r"github\.(?!event\.inputs)|steps\.", match[0]) is None
        line = _block_line(node) + text.count("\n", 0, match.start())
        yield Hit(INPUT if is_input else INJECTION, line, match[0])


def _uses(name: str, line: int) -> Iterator[Hit]:
    if not name or name.startswith("./"):
        return
    if name.startswith("docker://"):
        if "@sha256:" not in name:
            yield Hit(IMAGE, line, name)
        return
    reference = name.rpartition("@")[2]
    if _HEX.fullmatch(reference):
        return
    is_branch = re.fullmatch(
        r"(?:main|master|dev|develop|trunk|HEAD|latest|nightly|edge)", reference
    )
    yield Hit(BRANCH if is_branch or "@" not in name else UNPINNED, line, name)


def _image(node: Node | None) -> Iterator[Hit]:
    name = node.text if node is not None else ""
    if node is not None and name and "@sha256:" not in name and "$" not in name:
        yield Hit(IMAGE, node.line, name)


def _action(root: Node) -> Iterator[Hit]:
    steps = root.get("runs", "steps")
    yield from _steps(steps.items if steps is not None else [], set())
    yield from _image_of_action(root)


def _image_of_action(root: Node) -> Iterator[Hit]:
    image = root.get("runs", "image")
    if image is not None and (image.text or "").startswith("docker://"):
        yield from _uses(image.text or "", image.line)


# Others --------------------------------------------------------------------------------

_GITLAB_TEXT = expression(
    r"(?:\beval\b|\b(?:ba|z)?sh\s+-c|\bpython3?\s+-c|`)[^\n]*\$\{?CI_(?:COMMIT_(?:MESSAGE|TITLE|DESCRIPTION|BRANCH|REF_NAME|TAG|AUTHOR)|"
    r"MERGE_REQUEST_(?:TITLE|DESCRIPTION|SOURCE_BRANCH_NAME|LABELS)|EXTERNAL_PULL_REQUEST_\w+)|"
    r"\$\{?CI_(?:COMMIT_(?:MESSAGE|TITLE|DESCRIPTION)|MERGE_REQUEST_(?:TITLE|DESCRIPTION))\b[^\n]*\|\s*(?:xargs\b[^\n|]*\b)?(?:ba|z)?sh\b"
)


def _gitlab(root: Node) -> Iterator[Hit]:
    yield from _variables(root.get("variables"))
    yield from _includes(root)
    for path, node in root.walk():
        if node.kind != "mapping":
            continue
        yield from _variables(node.get("variables") if path else None)
        for key in ("script", "before_script", "after_script"):
            yield from _gitlab_script(node.get(key))
        image = node.get("image")
        if image is not None and path[-1:] != ("image",):
            yield from _image(image.get("name") or image)
        if node.string("allow_failure") == "true" and _is_gate(" ".join([*path, *_said(node)])):
            yield Hit(GATE, _line(node, "allow_failure"), "allow_failure: true")
        script = node.get("script")
        runs = [*path[-1:], *(script.strings() if script is not None else ())]
        waits = node.get("needs")
        if waits is not None and waits.kind == "sequence" and not waits.items:
            if SHIPS.search(" ".join(runs)):
                yield Hit(GATE, _line(node, "needs"), "needs: []")
        if node.string("when") == "always" and SHIPS.search(" ".join(runs)):
            yield Hit(GATE, _line(node, "when"), "when: always")


def _said(node: Node) -> list[str]:
    script = node.get("script")
    return [*(script.strings() if script is not None else []), node.string("stage")]


def _gitlab_script(node: Node | None) -> Iterator[Hit]:
    if node is None:
        return
    for item in node.items or [node]:
        text = item.text or ""
        yield from _command(text, _block_line(item))
        found = _GITLAB_TEXT.search(text)
        if found is not None:
            yield Hit(INJECTION, _block_line(item) + text.count("\n", 0, found.start()), found[0])
        dumped = dumps_environment(text)
        if dumped is not None:
            yield Hit(LEAK, _block_line(item) + dumped, "prints the environment")


def _includes(root: Node) -> Iterator[Hit]:
    node = root.get("include")
    for item in (node.items or [node]) if node is not None else ():
        remote = item.string("remote") or (item.text or "")
        if remote.startswith("http://"):
            yield Hit(CLEARTEXT, item.line, remote)
        elif remote.startswith("http") and not item.string("integrity"):
            yield Hit(BRANCH, item.line, remote)
        if item.get("project") is not None and not _HEX.fullmatch(item.string("ref")):
            yield Hit(
                BRANCH if not item.string("ref") else UNPINNED, item.line, item.string("project")
            )
        component = item.string("component")
        if component.endswith(("@~latest", "@main")):
            yield Hit(BRANCH, item.line, component)


_ALWAYS = expression(r"^(?:always|succeededOrFailed|failed)\(\)$")
_AZURE_TEXT = expression(
    r"\$\((?:Build\.(?:SourceVersionMessage|SourceBranchName|SourceBranch|RequestedFor)|System\.PullRequest\.\w*(?:Branch|Title|Id)\w*)\)|"
    r"\$\{\{\s*parameters\.\w+\s*\}\}"
)


def _azure(root: Node) -> Iterator[Hit]:
    yield from _variables(root.get("variables"))
    for path, node in root.walk():
        if node.kind != "mapping":
            continue
        for key in ("script", "bash", "pwsh", "powershell", "inlineScript"):
            item = node.get(key)
            if item is None or not item.text:
                continue
            yield from _command(item.text, _block_line(item))
            for found in _AZURE_TEXT.finditer(item.text):
                line = _block_line(item) + item.text.count("\n", 0, found.start())
                yield Hit(INJECTION, line, found[0])
        if node.string("persistCredentials") == "true":
            yield Hit(UPLOAD, _line(node, "persistCredentials"), "persistCredentials: true")
        if node.string("continueOnError") == "true" and _is_gate(_flat(node)):
            yield Hit(GATE, _line(node, "continueOnError"), "continueOnError: true")
        if _ALWAYS.search(node.string("condition")) and SHIPS.search(_flat(node)):
            yield Hit(GATE, _line(node, "condition"), f"condition: {node.string('condition')}")
        if ("repositories" in path and node.get("endpoint") is not None) or (
            "repositories" in path and node.string("type") == "github"
        ):
            ref = node.string("ref")
            if not ref or (
                re.fullmatch(r"(?:refs/heads/)?\w[\w/-]*", ref) and not _HEX.fullmatch(ref)
            ):
                yield Hit(BRANCH, node.line, node.string("name") + "@" + (ref or "default branch"))


def _flat(node: Node) -> str:
    return " ".join(value.text or "" for value in node.entries.values())


def _circle(root: Node) -> Iterator[Hit]:
    orbs = root.get("orbs")
    for value in orbs.entries.values() if orbs is not None else ():
        if re.search(r"@(?:volatile|dev:)", value.text or "") or "@" not in (value.text or "@"):
            yield Hit(BRANCH, value.line, value.text or "")
    for path, node in root.walk():
        run = node.get("run") if node.kind == "mapping" else None
        item = (run.get("command") or run) if run is not None else None
        if item is not None and item.text:
            yield from _command(item.text, _block_line(item))
            if re.search(r"<<\s*pipeline\.git\.(?:branch|tag)\s*>>", item.text):
                yield Hit(INJECTION, _block_line(item), "pipeline.git.branch")
        if path[-1:] == ("docker",):
            for image in node.items:
                yield from _image(image.get("image"))


_JENKINS: tuple[tuple[Rule, str], ...] = (
    (
        INJECTION,
        r"\b(?:sh|bat|powershell)\b\s*(?:\(?\s*(?:script\s*:\s*)?)\"{1,3}(?:[^\"\\]|\\.)*?\$\{?(?:params\.|env\.(?:CHANGE_|BRANCH_NAME|TAG_NAME|GIT_BRANCH|ghprb)|CHANGE_(?:TITLE|BRANCH|AUTHOR)|BRANCH_NAME|ghprb\w+|GIT_COMMIT_MESSAGE)",
    ),
    (
        LEAK,
        r"\b(?:sh|bat|echo|println)\b\s*\(?\s*\"{1,3}(?:[^\"\\]|\\.)*?\$\{?\w*(?:TOKEN|PASSWORD|SECRET|API_?KEY|PASS|CREDENTIALS?)\b",
    ),
    (BRANCH, r"@Library\(\s*\[?\s*['\"][\w./-]+(?:@(?:main|master|dev\w*|latest))?['\"]"),
    (BRANCH, r"\blibrary\s*\(?\s*['\"][\w./-]+@(?:main|master|dev\w*)['\"]"),
    (PRIVILEGED, r"args\s+['\"][^'\"]*(?:--privileged|docker\.sock|-u\s*(?:0|root))[^'\"]*['\"]"),
    (UNTRUSTED, r"\b(?:gitHub|gitea|bitbucket)?TrustEveryone\b"),
    (UNCHECKED, r"ignoreSslErrors\s*:\s*true|sslVerify\s*:\s*false"),
    (INJECTION, r"\bevaluate\s*\(|\bload\s*\(?\s*['\"]https?://|Eval\.me\("),
    (GATE, r"post\s*\{[^{}]{0,400}\balways\s*\{[^{}]{0,400}\b(?:deploy|promote|release|publish|register)\w*"),
    (GATE, r"catchError\s*\([^)]*buildResult\s*:\s*['\"]SUCCESS['\"]|returnStatus\s*:\s*true[^\n]*(?:pytest|validate|scan|gate)|(?:pytest|validate|scan|gate)[^\n]*returnStatus\s*:\s*true"),
)  # fmt: skip


def _expanded(text: str) -> Iterator[Hit]:
    """Credentials that Groovy writes into a command line, where processes and logs show them."""
    names = set(
        re.findall(r"\b\w*[vV]ariable\s*:\s*['\"](\w+)['\"]", text)
        + re.findall(r"\b(\w+)\s*=\s*credentials\(", text)
    )
    for match in re.finditer(
        r"\b(?:sh|bat|powershell|pwsh)\b\s*\(?\s*(?:script\s*:\s*)?(\"{3}|\")(.*?)\1",
        text,
        re.DOTALL,
    ):
        told = [
            name for name in re.findall(r"(?<!\\)\$\{?(?:env\.)?(\w+)", match[2]) if name in names
        ]
        if told:
            yield Hit(LEAK, text.count("\n", 0, match.start()) + 1, told[0])


def _jenkins(text: str) -> Iterator[Hit]:
    yield from _expanded(text)
    for broken, pattern in _JENKINS:
        for match in re.finditer(pattern, text):
            if (
                not text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
                .lstrip()
                .startswith("//")
            ):
                yield Hit(broken, text.count("\n", 0, match.start()) + 1, match[0])
    for match in re.finditer(
        r"image\s+['\"]([\w./:-]+)['\"]|docker\.image\(['\"]([\w./:-]+)['\"]\)", text
    ):
        name = match[1] or match[2]
        if "@sha256:" not in text[match.start() : match.end() + 80]:
            yield Hit(IMAGE, text.count("\n", 0, match.start()) + 1, name)
    for match in re.finditer(
        r"\b(?:sh|bat)\b\s*\(?\s*(?:script\s*:\s*)?('{3}|\"{3}|'|\")(.*?)\1", text, re.DOTALL
    ):
        yield from _command(match[2], text.count("\n", 0, match.start(2)) + 1)
    dumped = re.search(r"\bsh\b\s*\(?\s*['\"](?:printenv|env(?:\s*\|\s*sort)?|set)['\"]", text)
    if dumped is not None:
        yield Hit(LEAK, text.count("\n", 0, dumped.start()) + 1, dumped[0])
