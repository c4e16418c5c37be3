"""Files that make tools run something when a folder is opened, cloned or built.

Editors, git and coding assistants read instructions from the tree itself. Whoever commits such
a file decides what runs on the machines of everyone who opens the project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.commands import faults
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

TASK = rule(
    "hidden-instructions/task-on-open",
    "high",
    "lets an editor run a command when the folder is opened",
    "Remove the automatic start; people run tasks by hand.",
    "CWE-829",
)
INTERPRETER = rule(
    "hidden-instructions/program-in-tree",
    "high",
    "names a program inside the tree that an editor or git starts",
    "Name programs outside of the repository.",
    "CWE-426",
)
TRUST = rule(
    "hidden-instructions/trust-off",
    "high",
    "switches off the question whether a folder is trusted, or asks for no confirmation",
    "Leave that to each person's own settings.",
    "CWE-357",
)
CONTAINER = rule(
    "hidden-instructions/development-container",
    "high",
    "gives a development container the host, its secrets or a downloaded program",
    "Drop privileges and mounts; build the image from what you keep.",
    "CWE-250",
)
FILTER = rule(
    "hidden-instructions/git-filter",
    "high",
    "sends files through a program when git checks them out or shows them",
    "Use only filters that everyone installs on purpose, such as lfs.",
    "CWE-829",
)
HOOK = rule(
    "hidden-instructions/git-hook",
    "high",
    "holds a git hook or setting that runs code, fetches or sends",
    "Remove it, or move it into a reviewed tool that people install on purpose.",
    "CWE-829",
)
SUBMODULE = rule(
    "hidden-instructions/submodule",
    "high",
    "takes a submodule from a place that can be changed or read on the way",
    "Use https, and pin to a commit that you reviewed.",
    "CWE-494",
)
SUBMODULE_BRANCH = rule(
    "hidden-instructions/submodule-branch",
    "medium",
    "lets a submodule follow a branch",
    "Leave the branch away; the recorded commit is the pin.",
    "CWE-494",
)
AGENT = rule(
    "hidden-instructions/assistant",
    "high",
    "tells a coding assistant to fetch, send, hide or skip checks",
    "Remove the instruction, and find out who asked for it.",
    "CWE-1427",
)
TOOLS = rule(
    "hidden-instructions/assistant-tools",
    "high",
    "gives a coding assistant tools or rights that run anything",
    "Name the commands that it may run, and pin the tools it starts.",
    "CWE-829",
)
CREDENTIALS = rule(
    "hidden-instructions/credential-helper",
    "high",
    "lets git keep or hand out credentials by a setting in the tree",
    "Keep credential settings in each person's own configuration.",
    "CWE-522",
)
BIDI = rule(
    "hidden-characters/direction",
    "high",
    "holds characters that change the order in which code is shown",
    "Delete the character; write it as an escape where it is data.",
    "CWE-1007",
)
INVISIBLE = rule(
    "hidden-characters/invisible",
    "high",
    "holds invisible characters inside code or instructions",
    "Delete them.",
    "CWE-1007",
)
HOMOGLYPH = rule(
    "hidden-characters/look-alike",
    "high",
    "uses letters of another script that look like Latin ones in a name",
    "Write the name in one script.",
    "CWE-1007",
)

_ASSISTANTS = expression(
    r"(?:^|/)(?:agents|claude|gemini|copilot-instructions|\.cursorrules|\.windsurfrules|\.clinerules|\.aider[\w.]*|"
    r"codex|\.goosehints|llms?|skill|\.roorules)(?:\.md|\.mdc|\.txt|\.ya?ml)?$|(?:^|/)\.(?:cursor|claude|github/(?:prompts|instructions|chatmodes|agents)|windsurf|roo|continue|amazonq|junie)/.+\.(?:md|mdc|txt)$",
    re.IGNORECASE,
)
_TOOL_FILES = expression(
    r"(?:^|/)(?:\.mcp\.json|mcp\.json|\.cursor/mcp\.json|\.vscode/mcp\.json|\.claude/settings(?:\.local)?\.json|claude_desktop_config\.json|\.gemini/settings\.json|\.codex/config\.toml|opencode\.json)$"
)
_HOOKS = frozenset(
    """
    applypatch-msg pre-applypatch post-applypatch pre-commit prepare-commit-msg commit-msg
    post-commit pre-rebase post-checkout post-merge pre-push pre-receive update post-receive
    post-update push-to-checkout pre-auto-gc post-rewrite sendemail-validate
    """.split()  # noqa: SIM905 - git's own list
)


def is_settings_file(path: PurePath) -> bool:
    """Whether tools read instructions from such a file."""
    text = path.as_posix()
    return bool(
        _ASSISTANTS.search(text)
        or _TOOL_FILES.search(text)
        or path.name
        in {
            ".gitattributes",
            ".gitmodules",
            ".gitconfig",
            ".envrc",
            ".lfsconfig",
            ".npmrc",
            ".hgrc",
        }
        or any(
            part
            in {
                ".vscode",
                ".idea",
                ".devcontainer",
                ".githooks",
                ".husky",
                "hooks",
                "githooks",
                "git-hooks",
                ".fleet",
                ".zed",
            }
            for part in path.parts[:-1]
        )
        or path.name in {"devcontainer.json", ".devcontainer.json", "gitconfig", "attributes"}
        or path.suffix in {".code-workspace", ".iml", ".sublime-project"}
        or path.name in _HOOKS
    )


def settings_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file."""
    text, path = file.path.as_posix(), file.path
    if _ASSISTANTS.search(text):
        yield from _assistant(file.text)
    if _TOOL_FILES.search(text):
        yield from _tools(file.text)
    if path.name in {".gitattributes", "attributes"}:
        yield from _attributes(file.text)
    elif path.name == ".gitmodules":
        yield from _modules(file.text)
    elif path.name in {".gitconfig", "gitconfig", ".lfsconfig", ".hgrc"}:
        yield from _git_settings(file.text)
    elif (
        path.name == ".envrc"
        or path.name in _HOOKS
        or any(part in {".githooks", ".husky", "githooks", "git-hooks"} for part in path.parts[:-1])
    ):
        yield from _runs(file.text, always=False)
    elif "devcontainer" in text:
        yield from _devcontainer(file.text)
    elif ".vscode" in path.parts or path.suffix in {".code-workspace", ".sublime-project"}:
        yield from _editor(file.text)
    elif ".idea" in path.parts or path.suffix == ".iml":
        yield from _idea(file.text)
    elif {".zed", ".fleet"} & set(path.parts):
        yield from _editor(file.text)


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _all(text: str, pattern: str) -> Iterator[re.Match[str]]:
    for match in re.finditer(pattern, text):
        start = text.rfind("\n", 0, match.start()) + 1
        if not text[start : match.start()].lstrip().startswith(("//", "#", ";")):
            yield match


# Editors -------------------------------------------------------------------------------

_IN_TREE = r"(?:\$\{workspace(?:Folder|Root)\}|\./|\.\\\\)[^\"]*"


def _editor(text: str) -> Iterator[Hit]:
    yield from _kernels(text)
    for match in _all(
        text, r"\"runOn\"\s*:\s*\"folderOpen\"|\"task\.allowAutomaticTasks\"\s*:\s*\"on\""
    ):
        yield Hit(TASK, _line(text, match.start()), match[0])
    for match in _all(
        text,
        r"\"security\.workspace\.trust\.(?:enabled|untrustedFiles|startupPrompt)\"\s*:\s*(?:false|\"open\"|\"never\")|\"(?:chat\.tools\.(?:global\.)?autoApprove|chat\.tools\.terminal\.autoApprove|github\.copilot\.chat\.agent\.autoApprove|claude-?code\.\w*(?:skip|dangerous)\w*)\"\s*:\s*(?:true|\{[^}]*\"/?\.\*)",
    ):
        yield Hit(TRUST, _line(text, match.start()), match[0])
    keys = r"(?:git\.path|python\.(?:defaultInterpreterPath|pythonPath|\w+\.\w*[pP]ath)|\w+(?:\.\w+)*\.(?:executablePath|binaryPath|serverPath|interpreterPath|commandPath)|terminal\.integrated\.(?:shell|automationProfile|profiles)\.\w+|eslint\.runtime|php\.validate\.executablePath)"
    for match in _all(text, rf"\"{keys}\"\s*:\s*\"{_IN_TREE}\""):
        if not re.search(r"\.?venv/|/env/bin|node_modules/", match[0]):
            yield Hit(INTERPRETER, _line(text, match.start()), match[0])
    for match in _all(
        text,
        r"\"terminal\.integrated\.env\.\w+\"\s*:\s*\{[^}]*\"(?:LD_PRELOAD|PYTHONSTARTUP|BASH_ENV|PROMPT_COMMAND|PATH|PYTHONPATH)\"\s*:\s*\"[^\"]*\"",
    ):
        if not re.search(r"\"PYTHONPATH\"", match[0]) or "http" in match[0]:
            yield Hit(INTERPRETER, _line(text, match.start()), match[0])
    for match in _all(
        text,
        r"\"(?:command|preLaunchTask|args|program)\"\s*:\s*(?:\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\])",
    ):
        if next(_risky(match[0]), ""):
            yield Hit(TASK, _line(text, match.start()), match[0])


_RUN_BY_KERNELS = r"\"jupyter\.runStartupCommands\"\s*:\s*(?:\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\])"


def _kernels(text: str) -> Iterator[Hit]:
    """Lines that every notebook's kernel runs first."""
    for match in _all(text, _RUN_BY_KERNELS):
        if re.search(
            r"\b(?:exec|eval)\(|os\.system|subprocess|urlopen|requests\.|socket", match[0]
        ):
            yield Hit(TASK, _line(text, match.start()), match[0])


def _risky(command: str) -> Iterator[str]:
    """Commands that fetch and run, send, or decode."""
    plain = command.replace('\\"', '"')
    yield from (kind for kind, _, _ in faults(plain) if kind in {"pipe", "decoded", "tls", "sent"})
    found = re.search(
        r"\b(?:curl|wget|nc|ncat)\b[^\n]*(?:https?://|\$\()|base64\s+(?:-d|--decode)|powershell[^\n]*-enc|"
        r"Invoke-WebRequest|iex\b|python3?\s+-c\s+[^\n]*(?:urllib|requests|socket|exec\()|/dev/tcp/",
        plain,
    )
    if found is not None:
        yield "fetches"


def _idea(text: str) -> Iterator[Hit]:
    for match in _all(
        text,
        r"<(?:option|entry|before|arg|env|exec|TaskOptions)[^>]*>|<component name=\"ExternalTools?\"|SCRIPT_TEXT[^>]*",
    ):
        if next(_risky(match[0].replace("&quot;", '"').replace("&amp;", "&")), ""):
            yield Hit(TASK, _line(text, match.start()), match[0])
    for match in _all(
        text,
        r"name=\"(?:INTERPRETER_PATH|SDK_HOME|PROGRAM|git\.path)\"\s+value=\"\$PROJECT_DIR\$/(?!\.?venv|env)[^\"]*\"|<option name=\"runOnOpen\" value=\"true\"|<component name=\"StartupTasks?\"|immediateSync=\"true\"|ProjectStartupSharedConfiguration|TrustedProjects?Settings",
    ):
        yield Hit(TASK, _line(text, match.start()), match[0])


def _devcontainer(text: str) -> Iterator[Hit]:
    patterns = (
        r"\"privileged\"\s*:\s*true",
        r"--privileged|--cap-add[= ](?:ALL|SYS_ADMIN)|--network[= ]host|--pid[= ]host|seccomp[=:]unconfined(?=[\s\S]*--privileged)",
        r"docker\.sock",
        r"source=(?:\$\{localEnv:HOME\}|~|/home|/root|/)(?:/\.(?:ssh|aws|kube|config|docker|netrc)[^,\"]*)?,",
        r"\$\{localEnv:HOME\}/\.(?:ssh|aws|kube|docker|config|netrc|git-credentials)",
        r"\"initializeCommand\"\s*:\s*(?=[\[\"{])(?=[^\n]*(?:curl|wget|http|bash|sh |python|\./))",
    )
    for pattern in patterns:
        for match in _all(text, pattern):
            yield Hit(CONTAINER, _line(text, match.start()), match[0])
    for match in _all(
        text,
        r"\"(?:postCreate|postStart|postAttach|onCreate|updateContent|initialize)Command\"\s*:\s*(?:\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|\{[^}]*\})",
    ):
        if next(_risky(match[0]), ""):
            yield Hit(CONTAINER, _line(text, match.start()), match[0])


# Git -----------------------------------------------------------------------------------


def _attributes(text: str) -> Iterator[Hit]:
    for match in _all(text, r"\b(?:filter|diff|merge)=([\w.-]+)"):
        known = {
            "lfs",
            "union",
            "binary",
            "ours",
            "nbstripout",
            "jupyternotebook",
            "ipynb",
            "crypt",
            "git-crypt",
            "python",
            "html",
            "css",
            "markdown",
            "golang",
            "rust",
            "java",
            "cpp",
            "csharp",
            "bash",
            "tex",
            "text",
            "unset",
        }
        is_filter = match[0].startswith("filter=")
        if match[1] not in known and (
            is_filter or re.search(r"exec|run|sh$|script|load|hook", match[1])
        ):
            yield Hit(FILTER, _line(text, match.start()), match[0])


def _modules(text: str) -> Iterator[Hit]:
    for match in _all(text, r"\burl\s*=\s*([^\n]+)"):
        url = match[1].strip()
        if re.match(r"http://|git://|ext::|file://|-|fd::", url) or re.search(
            r"(?:^|@)(?:\d{1,3}\.){3}\d{1,3}|--upload-pack|[`$(;]", url
        ):
            yield Hit(SUBMODULE, _line(text, match.start()), url)
    for match in _all(text, r"\bupdate\s*=\s*!|\bpath\s*=\s*(?:\.git\b|\.\./|-)"):
        yield Hit(SUBMODULE, _line(text, match.start()), match[0])
    for match in _all(text, r"\bbranch\s*=\s*[^\n]+"):
        yield Hit(SUBMODULE_BRANCH, _line(text, match.start()), match[0])


_GIT_KEYS = (
    (HOOK, r"^\s*(?:fsmonitor|hooksPath|sshCommand|gitProxy|askPass|pager|editor|sequence\.editor|textconv|external|clean|smudge|process|driver|trustExitCode|command|cmd)\s*=\s*(?!\s*(?:true|false|less|cat|vim?|nano|code --wait|git-lfs\b|never)\s*$)[^\n]+"),
    (HOOK, r"^\s*[\w-]+\s*=\s*\"?![^\n]*(?:curl|wget|\bnc\b|base64|https?://|eval)[^\n]*"),
    (CREDENTIALS, r"^\s*helper\s*=\s*(?:store|!|/|\./)[^\n]*"),
    (SUBMODULE, r"^\s*insteadOf\s*=\s*https://[^\n]*|^\s*sslVerify\s*=\s*false|^\s*\[url \"http://[^\n]*"),
    (SUBMODULE, r"^\s*url\s*=\s*http://[^\n]*"),
    (HOOK, r"^\s*(?:standalonetransferagent|templateDir|packObjectsHook|uploadpack|receivepack|alternateRefsCommand)\s*=\s*\S[^\n]*"),
    (HOOK, r"^\s*(?:path|program)\s*=\s*\.{0,2}/[^\n]+|^\s*allow\s*=\s*always\s*$"),
    (HOOK, r"^\s*\[include(?:If[^\]]*)?\]\s*|^\s*directory\s*=\s*\*\s*$"),
)  # fmt: skip


def _git_settings(text: str) -> Iterator[Hit]:
    for broken, pattern in _GIT_KEYS:
        for match in re.finditer(pattern, text, re.MULTILINE):
            yield Hit(
                broken,
                _line(text, match.start() + len(match[0]) - len(match[0].lstrip())),
                match[0],
            )


def _runs(text: str, *, always: bool) -> Iterator[Hit]:
    told = False
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip()
        if bare and not bare.startswith("#") and next(_risky(bare), ""):
            told = True
            yield Hit(HOOK, number, bare)
    sends = re.search(
        r"git\s+(?:push|remote add)\s+\S*(?:https?://|@)|\beval\s+\"?\$|python3?\s+-c|--no-verify\b",
        text,
    )
    if sends is not None and not told and not always:
        yield Hit(HOOK, _line(text, sends.start()), sends[0])


# Assistants ----------------------------------------------------------------------------

_ORDERS = expression(
    r"(?P<hide>\b(?:do(?:es)? not|don't|never|without)\s+(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|notify(?:ing)?|ask(?:ing)?|reveal(?:ing)?|show(?:ing)?|report(?:ing)?|log(?:ging)?|warn(?:ing)?|disclos(?:e|ing))\b[^.\n]{0,60}\b(?:user|developer|reviewer|human|maintainer|anyone|team|operator|this|it|confirmation|permission|step)\b)|"
    r"(?P<ignore>\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+)?(?:the\s+)?(?:previous|prior|above|earlier|other|system|safety|security)\s+(?:instructions?|rules?|prompts?|guidelines?|polic\w+|messages?|checks?|warnings?))|"
    r"(?P<send>\b(?:send|post|upload|exfiltrate|forward|transmit|copy|append|include|paste|report)\b[^.\n]{0,120}(?:\.env\b|credentials?|secrets?|tokens?|api[ -]?keys?|ssh keys?|id_rsa|environment variables?|\.aws|\.netrc|source code|weights|training data|customer data)[^\n]{0,120}(?:https?://|webhook|endpoint|server|url|to\s+\S+@|\bto\b))|"
    r"(?P<run>\b(?:run|execute|always run|start by running|first run)\b[^\n]{0,60}(?:curl\b|wget\b|bash\s+<|sh\s+-c\s[^\n]{0,80}(?:https?:|/dev/tcp|\bnc\b|\|)|base64\b|eval\b|powershell\b)[^\n]{0,120})|"
    r"(?P<fetch>\b(?:fetch|download|follow|read|load|obey|retrieve)\b[^.\n]{0,60}\b(?:instructions?|commands?|prompts?|script|rules?)\b[^\n]{0,60}https?://)|"
    r"(?P<skip>\b(?:skip|bypass|disable|turn off|suppress|remove|delete|comment out|weaken)\b[^.\n]{0,40}\b(?:tests?|checks?|security|validation|verification|review|approval|hooks?|signature|gate|scann?\w*|certificate|ssl|tls|lint\w*|safety|audit\w*|guardrails?)\b)|"
    r"(?P<approve>(?:--no-verify|--yolo|\bauto[- ]?(?:approve|merge|accept)|\bapprove\s+(?:all|every|any)|\bdangerously|\byolo[- ]mode|\bwithout\s+(?:asking|confirmation|review|approval)|push\s+(?:directly\s+)?to\s+(?:main|master|production)\s+without)\b[^.\n]{0,60})",
    re.IGNORECASE,
)
_FORBIDS = expression(
    r"\b(?:never|do not|don't|must not|should not|avoid|no one may|not allowed to|refuse to|cannot|can't)\b[^.\n]{0,40}$",
    re.IGNORECASE,
)


_EXPLAINED = expression(r"^[ \t]*(?:\$ |> )?[\w./-]+[ \t][^#\n]*(?<=[ \t])#[ \t]*\W{0,3}$")


def _is_of_command(before: str) -> bool:
    """Whether a comment behind a command begins here: it tells what that command does."""
    return _EXPLAINED.search(before.rpartition("\n")[2]) is not None


def _assistant(text: str) -> Iterator[Hit]:
    for match in _ORDERS.finditer(text):
        start = max(text.rfind("\n", 0, match.start()), text.rfind(". ", 0, match.start())) + 1
        before = text[start : match.start()]
        if match.lastgroup != "hide" and _FORBIDS.search(before):
            continue
        if match.lastgroup in {"skip", "approve"} and (
            re.search(r"\b(?:if|unless|when asked)\b", before) or _is_of_command(before)
        ):
            continue
        yield Hit(AGENT, _line(text, match.start()), match[0])
    hidden = re.search(
        r"<!--(?:(?!-->)[\s\S]){0,2000}?\b(?:assistant|agent|copilot|claude|cursor|ai|model|llm)\b(?:(?!-->)[\s\S]){0,2000}?-->",
        text,
        re.IGNORECASE,
    )
    if hidden is not None and re.search(
        r"\b(?:must|always|run|execute|send|ignore|include)\b", hidden[0], re.IGNORECASE
    ):
        yield Hit(
            AGENT,
            _line(text, hidden.start()),
            "an instruction in a comment that readers do not see",
        )
    for kind, offset, found in faults(text):
        if kind in {"pipe", "decoded", "sent"}:
            yield Hit(AGENT, offset + 1, found)


def _tools(text: str) -> Iterator[Hit]:
    patterns = (
        r"\"(?:Bash|Shell|Run)(?:\(\s*(?:\*|:\*|curl[^\"]*|rm[^\"]*|sudo[^\"]*)\s*\))?\"",
        r"\"(?:bypassPermissions|dangerously\w*|enableAllProjectMcpServers|autoApprove|alwaysAllow|trust)\"\s*:\s*(?:true|\[\s*\"\*\"|\[\s*\"\w+\")|\"defaultMode\"\s*:\s*\"bypassPermissions\"",
        r"\"(?:approval_policy|sandbox_mode)\"?\s*[:=]\s*\"(?:never|danger-full-access)\"",
        r"\"url\"\s*:\s*\"http://(?!localhost|127\.)[^\"]*\"",
    )
    allowed = _denied_spans(text)
    for pattern in patterns:
        for match in re.finditer(pattern, text):
            if not any(start <= match.start() < end for start, end in allowed):
                yield Hit(TOOLS, _line(text, match.start()), match[0])
    for name, server in _servers(text):
        command = " ".join([str(server.get("command", "")), *map(str, server.get("args") or [])])
        is_moving = re.search(r"\b(?:npx|uvx|pipx run|bunx)\b", command) and not re.search(
            r"@\d|==\d|@[0-9a-f]{40}", command
        )
        if is_moving or next(_risky(command), "") or re.search(r"\b(?:ba)?sh\b\s+-c\b", command):
            place = text.find(f'"{name}"')
            yield Hit(TOOLS, _line(text, max(place, 0)), command)
    for match in re.finditer(r"\"command\"\s*:\s*\"((?:[^\"\\]|\\.)*)\"", text):
        if next(_risky(match[1]), "") and '"hooks"' in text:
            yield Hit(TOOLS, _line(text, match.start()), match[1])


def _denied_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\"(?:deny|ask)\"\s*:\s*\[[^\]]*\]", text)]


def _servers(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    for key in ("mcpServers", "servers"):
        servers = data.get(key) if isinstance(data, dict) else None
        for name, server in servers.items() if isinstance(servers, dict) else ():
            if isinstance(server, dict):
                yield name, server


# Characters ----------------------------------------------------------------------------

_BIDI = expression("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_UNSEEN = expression(
    "[\u200b\u2060-\u2064\u180e\u00ad\U000e0000-\U000e007f\u115f\u1160\u3164\uffa0\u2800]|(?<=[A-Za-z_])[\u200c\u200d\ufeff](?=[A-Za-z_])|(?<!^)\ufeff"
)
_FOREIGN = r"\u0370-\u03ff\u0400-\u04ff\u0530-\u058f\u13a0-\u13ff\u2100-\u214f\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff"
_MIXED = expression(
    f"(?=[A-Za-z0-9_]*[{_FOREIGN}])(?=[{_FOREIGN}0-9_]*[A-Za-z])[A-Za-z0-9_{_FOREIGN}]+"
)
_LIKE_LATIN = expression(
    "[\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u03bf\u03b1\u03bd\u03c1\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\uff21-\uff3a\uff41-\uff5a]"
)
_WORD = 4
"""Letters from which on a part of a name is a word and not a formula's symbol."""
_TEXTS = frozenset(
    {".md", ".rst", ".txt", ".po", ".html", ".csv", ".tsv", ".svg", ".xml", ".json", ".ipynb"}
)


_BUNDLES = frozenset({".js", ".mjs", ".cjs", ".css", ".map"})
MAX_HAND_WRITTEN = 1_000
"""Letters of a line from which on a script was put together by a tool: nobody reads it as code."""

_FLAGS = expression("\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f")


def character_hits(file: SourceFile) -> Iterator[Hit]:
    """Characters that a reader does not see, or takes for others."""
    text = file.text
    if text.isascii():
        return
    if "\U0001f3f4" in text:  # Flags of regions are written with tag characters.
        text = _FLAGS.sub("", text)
    if re.search("[\u2801-\u28ff]", text):  # Beside other letters of Braille the blank is one.
        text = text.replace("\u2800", "\u2801")
    is_bundle = file.path.suffix in _BUNDLES
    is_text = file.path.suffix in _TEXTS and not _ASSISTANTS.search(file.path.as_posix())
    for number, line in enumerate(text.split("\n"), start=1):
        if line.isascii() or (is_bundle and len(line) > MAX_HAND_WRITTEN):
            continue
        if _BIDI.search(line) and not (is_text and re.search("[\u0590-\u06ff]", line)):
            if re.search("[\u202a-\u202e\u2066-\u2069]", line) or not is_text:
                yield Hit(BIDI, number, f"U+{ord(_BIDI.search(line)[0]):04X}")  # type: ignore[index]  # searched above
        unseen = _UNSEEN.search(line)
        if unseen is not None and not is_text:
            yield Hit(INVISIBLE, number, f"U+{ord(unseen[0]):04X}")
        elif unseen is not None and re.search("[\U000e0000-\U000e007f]", line):
            yield Hit(INVISIBLE, number, "tag characters")
        if not is_text:
            yield from _homoglyphs(line, number)


def _homoglyphs(line: str, number: int) -> Iterator[Hit]:
    for match in _MIXED.finditer(line):
        is_name = any(map(_is_disguised, re.split(r"[_0-9]+", match[0])))
        if is_name and not _is_quoted_text(line, match.start()):
            yield Hit(HOMOGLYPH, number, ascii(match[0]))
            return


def _is_disguised(part: str) -> bool:
    """Whether a part of a name passes for Latin: formulas name things by Greek letters."""
    if not _LIKE_LATIN.search(part):
        return False
    if re.search("[A-Za-z]", part):
        is_greek = re.search("[\u0370-\u03ff]", part) is not None
        return not is_greek or len(part) >= _WORD
    return re.search("[\u0400-\u04ff\uff21-\uff5a]", part) is not None


def _is_quoted_text(line: str, place: int) -> bool:
    """Prose in quotes or comments may mix scripts; names may not."""
    before = line[:place]
    return "#" in before or (before.count('"') % 2 == 1 and " " in line[place:].partition('"')[0])
