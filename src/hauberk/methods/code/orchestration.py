"""Manifests: compose files, Kubernetes objects, Terraform and CloudFormation.

What these files switch on is judged together with the commands and settings inside of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.errors import ArtifactError
from hauberk.formats.bucket_policies import is_narrowed, read_policy
from hauberk.formats.yaml_text import Node, read_yaml
from hauberk.methods.code.commands import faults
from hauberk.methods.code.declared_calls import declared_hits
from hauberk.methods.code.images import INDEX, MOVING, base_hits, index_fault
from hauberk.methods.code.python_loading import MOVING as HUB
from hauberk.methods.code.python_loading import REMOTE_CODE
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.code.services import (
    OPEN,
    PLAIN,
    PUBLIC,
    PUBLISHED,
    command_faults,
    setting_fault,
)
from hauberk.methods.code.settings_files import (
    is_lined,
    is_script,
    is_yaml,
    lined_settings,
    script_commands,
    yaml_commands,
    yaml_settings,
)
from hauberk.methods.code.soft_gates import soft_steps
from hauberk.methods.expressions import expression

PRIVILEGED = rule(
    "exposed-services/privileged",
    "high",
    "runs a container that can take over its host",
    "Drop privileges and capabilities, and add the one that is needed.",
    "CWE-250",
)
HOST = rule(
    "exposed-services/host-access",
    "high",
    "gives a container the host's folders, processes or network",
    "Mount a named volume, and use the container's own network.",
    "CWE-668",
)
ROOT = rule(
    "exposed-services/root",
    "medium",
    "runs a container as root, or lets it become root",
    "Say runAsNonRoot: true and allowPrivilegeEscalation: false.",
    "CWE-250",
)
ALMIGHTY = rule(
    "exposed-services/wide-role",
    "high",
    "gives a role every right",
    "Name the actions and the objects.",
    "CWE-250",
)
IMAGE = rule(
    "unsafe-images/unpinned-image",
    "medium",
    "runs an image that its name does not fix",
    "Name the digest: image:tag@sha256:...",
    "CWE-494",
)
MUTABLE = rule(
    "exposed-services/mutable-tags",
    "medium",
    "lets a tag of a registry be moved to another image",
    "Make tags immutable, and start images by their digest.",
    "CWE-494",
)
PIPED = rule(
    "exposed-services/pipe-to-shell",
    "high",
    "runs what it downloads",
    "Download, compare a digest, then run.",
    "CWE-494",
)
UNENCRYPTED = rule(
    "exposed-services/unencrypted",
    "medium",
    "stores or sends data without encryption",
    "Switch encryption on.",
    "CWE-311",
)
INPUT = rule(
    "workflow-faults/input-in-command",
    "medium",
    "puts what a caller gives as input into a command",
    "Hand the value over as an environment variable or an argument, and quote it.",
    "CWE-78",
)
SOURCE = rule(
    "unpinned-models/storage",
    "medium",
    "serves a model from an address without TLS or version",
    "Use https or an object version, and check the model's signature.",
    "CWE-494",
)

_INNER = (
    r"(?:5432|3306|6379|27017|9200|9300|2375|2376|5672|15672|11211|2181|9092|8265|10001|6006|5000|5001|"
    r"8888|8786|8787|9000|9001|8081|8082|7070|7071|8793|5555|9090|19530|6333|7474|7687|8123|2379|4040|7077|8978)"
)
_DANGEROUS = frozenset({"ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "NET_ADMIN", "DAC_READ_SEARCH", "CAP_SYS_ADMIN"})  # fmt: skip
_HOST_PATHS = expression(
    r"^(?:/|/etc|/root(?:/\.\w+)?|/home|/var|/proc|/sys|/var/lib/(?:docker|kubelet|containerd|rancher)(?:/[\w./-]*)?|/etc/kubernetes(?:/[\w./-]*)?|/var/run|/run|/dev|/boot|.*docker\.sock|.*containerd\.sock|.*crio\.sock)/?$"
)
_ML_NAMES = expression(
    r"mlflow|ray|jupyter|notebook|tensorboard|torchserve|triton|redis|minio|airflow|dashboard|postgres|mongo|kubeflow|pipeline|labelstudio|label-studio|registry|dask|spark|elastic|milvus|qdrant|weaviate|grafana|prometheus|tracking|feast"
)


def manifest_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file of settings, commands or manifests.

    Raises:
        ArtifactError: It is YAML by its name and does not parse.
    """
    if is_yaml(file.path):
        yield from _yaml(file)
    elif file.path.suffix in {".tf", ".hcl", ".tfvars"}:
        yield from _terraform(file.text)
    elif is_script(file.path, file.text):
        yield from script_hits(file)
    elif file.path.name == "pg_hba.conf":
        yield from _host_access(file.text)
    elif is_lined(file.path):
        for item in lined_settings(file):
            yield from _setting(item.name, item.value, item.line)
            if (
                ".dvc" in file.path.parts
                and item.name == "url"
                and item.value.startswith("http://")
            ):
                yield Hit(SOURCE, item.line, item.value)
        yield from _command(file.text, 1)
    elif file.path.suffix == ".acl":
        for match in re.finditer(
            r"^user[ \t]+\S+[^\n]*\bon\b[^\n]*\bnopass\b", file.text, re.MULTILINE
        ):
            yield Hit(OPEN, file.text.count("\n", 0, match.start()) + 1, match[0][:60])
    elif file.path.suffix == ".json":
        yield from _policy(file.text, of_service=_JSON_SERVICES.search(file.path.name) is not None)
        if _JSON_SETTINGS.search(file.path.name):
            yield from _json(file)


def script_hits(file: SourceFile) -> Iterator[Hit]:
    """Commands and settings of a script."""
    command = script_commands(file)
    for broken, offset, found in command_faults(command.text):
        yield Hit(broken, command.line + offset, found)
    for kind, offset, found in faults(command.text):
        if kind == "socket":
            yield Hit(HOST, command.line + offset, found)
    for item in lined_settings(file):
        yield from _setting(item.name, item.value, item.line)


def _host_access(text: str) -> Iterator[Hit]:
    """Lines of PostgreSQL that let hosts in without a password."""
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split("#")[0].split()
        is_remote = len(words) > 4 and words[0].startswith("host")
        if (is_remote and words[-1] in {"trust", "password"}) or (
            is_remote and "trust" in words[4:]
        ):
            if not re.match(r"127\.|::1|localhost|samehost", words[3]):
                yield Hit(OPEN, number, " ".join(words))


_JSON_SETTINGS = expression(r"(?:jupyter|ipython|config|settings|env|values)\S*\.json$")


def _json(file: SourceFile) -> Iterator[Hit]:
    """Settings of a JSON file, which is a tree like any other; what is none stays unread."""
    try:
        for root in read_yaml(file.text, name=file.name):
            for item in yaml_settings(root):
                yield from _setting(item.name, item.value, item.line)
    except ArtifactError:
        return


def _setting(name: str, value: str, line: int) -> Iterator[Hit]:
    broken = setting_fault(name, value) or index_fault(name, value)
    if broken is None and _TRUSTS.search(name) and value.lower() in {"true", "yes", "1"}:
        broken = REMOTE_CODE
    if broken is not None:
        yield Hit(broken, line, f"{name} = {value or 'nothing'}"[:60])


_TRUSTS = expression(r"(?i)(?:^|[._-])trust_remote_code$")


def _command(text: str, line: int) -> Iterator[Hit]:
    for broken, offset, found in command_faults(text):
        yield Hit(broken, line + offset, found)
    for kind, offset, found in faults(text):
        named: dict[str, Rule] = {
            "index": INDEX,
            "moving": MOVING,
            "pipe": PIPED,
            "hub": HUB,
            "decoded": PIPED,
            "socket": HOST,
        }
        if kind in named:
            yield Hit(named[kind], line + offset, found)


# YAML ----------------------------------------------------------------------------------


def _yaml(file: SourceFile) -> Iterator[Hit]:
    for root in read_yaml(file.text, name=file.name):
        for item in yaml_settings(root):
            yield from _setting(item.name, item.value, item.line)
        for command in yaml_commands(root):
            yield from _command(command.text, command.line)
        yield from declared_hits(root, name=file.path.name)
        services = root.get("services")
        if services is not None and services.kind == "mapping" and not root.get("kind"):
            for name, service in services.entries.items():
                yield from _service(name, service)
        if root.string("kind") in _FLOWS:
            yield from _scripts(file.text)
        if root.string("kind") in _FLOWS or root.get("tasks") is not None:
            yield from soft_steps(root)
        if root.get("kind") is not None:
            yield from _object(root)
            yield from _embedded(root)
        elif root.get("Resources") is not None:
            yield from _formation(root)
        else:
            yield from _pods(root)


def _service(name: str, node: Node) -> Iterator[Hit]:
    """A service of a compose file."""
    image = node.get("image")
    if image is not None and image.text and "$" not in image.text and node.get("build") is None:
        yield from (_as_image(hit) for hit in base_hits(image.text, image.line))
    if node.string("privileged").lower() in {"true", "yes", "on"}:
        yield Hit(PRIVILEGED, node.key_lines["privileged"], "privileged: true")
    for key in ("network_mode", "pid", "ipc", "userns_mode", "uts"):
        if node.string(key) == "host":
            yield Hit(HOST, node.key_lines[key], f"{key}: host")
    if re.fullmatch(r"(?:root|0)(?::.*)?", node.string("user")):
        yield Hit(ROOT, node.key_lines["user"], "user: root")
    for key, broken, pattern in (
        ("cap_add", PRIVILEGED, "|".join(_DANGEROUS)),
        ("security_opt", PRIVILEGED, r"(?:seccomp|apparmor|label)[:=](?:unconfined|disable)"),
    ):
        for item in _items(node.get(key)):
            if re.fullmatch(pattern, item.text or ""):
                yield Hit(broken, item.line, item.text or "")
    for item in _items(node.get("volumes")):
        source = item.string("source") or (item.text or "").partition(":")[0]
        if _HOST_PATHS.match(source):
            yield Hit(HOST, item.line, source)
    yield from _ports(name, node)


def _as_image(hit: Hit) -> Hit:
    return hit if hit.rule.name.endswith("old-base") else Hit(IMAGE, hit.line, hit.found)


def _items(node: Node | None) -> list[Node]:
    return node.items if node is not None else []


def _ports(name: str, node: Node) -> Iterator[Hit]:
    """Ports of data and job services that are published on all interfaces."""
    image = node.string("image")
    for item in _items(node.get("ports")):
        text = (item.text or "").partition("/")[0]
        if item.get("target") is not None:
            host = item.string("host_ip") or "0.0.0.0"
            text = f"{host}:{item.string('published')}:{item.string('target')}"
        parts = text.rsplit(":", 2)
        is_open = len(parts) == 2 or (len(parts) == 3 and parts[0] in {"0.0.0.0", "[::]", ""})
        is_inner = re.fullmatch(_INNER, parts[-1]) and _ML_NAMES.search(f"{name} {image}".lower())
        if is_open and is_inner:
            yield Hit(PUBLISHED, item.line, text)


def _object(root: Node) -> Iterator[Hit]:
    kind = root.string("kind")
    if kind == "KubeletConfiguration":
        yield from _kubelet(root)
    if kind in {"ClusterRole", "Role"}:
        yield from _roles(root)
    elif kind in {"ClusterRoleBinding", "RoleBinding"}:
        yield from _bindings(root)
    elif kind == "Service":
        yield from _exposed(root)
    elif kind == "Ingress":
        yield from _entered(root)
    elif kind == "NetworkPolicy":
        yield from _admitted(root)
    elif kind == "AuthorizationPolicy":
        yield from _policies(root)
    elif kind == "List":
        for item in _items(root.get("items")):
            yield from _object(item)
    yield from _pods(root)
    storage = next(
        (n for path, n in root.walk() if path[-1:] in {("storageUri",), ("modelUri",)}), None
    )
    if storage is not None and (storage.text or "").startswith("http://"):
        yield Hit(SOURCE, storage.line, storage.text or "")


def _admitted(root: Node) -> Iterator[Hit]:
    """A policy of a network that lets everything in: a rule without a single condition."""
    spec = root.get("spec")
    for item in _items(spec.get("ingress")) if spec is not None else ():
        if item.kind == "mapping" and not item.entries:
            yield Hit(PUBLIC, item.line, "ingress: - {}")


_FLOWS = frozenset({"Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"})
_FLOWS |= {"Task", "ClusterTask", "Pipeline", "TaskRun", "PipelineRun", "StepAction"}
_PARAMETERS = expression(
    r"\{\{=?\s*(?:inputs|workflow|item)\.?(?:parameters)?\.?[\w.-]*\s*\}\}|\$\((?:inputs\.)?params\.[\w.-]+\)"
)


def _scripts(text: str) -> Iterator[Hit]:
    """Parameters of a run written into the text of a script, of Argo and Tekton.

    Looked for in the lines as they stand: the reader of YAML takes placeholders out.
    """
    inside = -1
    for number, line in enumerate(text.split("\n"), start=1):
        depth = len(line) - len(line.lstrip())
        if inside >= 0 and line.strip() and depth <= inside:
            inside = -1
        found = _PARAMETERS.search(line) if inside >= 0 else None
        if found is not None:
            yield Hit(INPUT, number, found[0])
        if re.match(r"\s*(?:- )?(?:source|script)\s*:\s*[|>]", line):
            inside = depth


def _kubelet(root: Node) -> Iterator[Hit]:
    """Nodes that obey whoever reaches them."""
    anonymous = root.get("authentication", "anonymous", "enabled")
    if anonymous is not None and anonymous.text == "true":
        yield Hit(PUBLIC, anonymous.line, "anonymous: enabled")
    mode = root.get("authorization", "mode")
    if mode is not None and mode.text == "AlwaysAllow":
        yield Hit(PUBLIC, mode.line, "mode: AlwaysAllow")
    if root.string("readOnlyPort") not in {"", "0"}:
        yield Hit(PUBLIC, root.key_lines.get("readOnlyPort", 1), "readOnlyPort")


def _roles(root: Node) -> Iterator[Hit]:
    for item in _items(root.get("rules")):
        verbs, resources = (item.get(key) for key in ("verbs", "resources"))
        if verbs is not None and "*" in verbs.strings():
            if resources is None or "*" in resources.strings() or "secrets" in resources.strings():
                yield Hit(ALMIGHTY, verbs.line, "verbs: *")


def _bindings(root: Node) -> Iterator[Hit]:
    role = root.get("roleRef", "name")
    everyone = {"system:anonymous", "system:unauthenticated", "system:authenticated"}
    for item in _items(root.get("subjects")):
        if item.string("name") in everyone:
            yield Hit(PUBLIC, item.line, item.string("name"))
    if role is not None and role.text in {"cluster-admin", "kubeflow-admin", "admin"}:
        names = [item.string("name") for item in _items(root.get("subjects"))]
        if any(item.string("kind") == "ServiceAccount" for item in _items(root.get("subjects"))):
            yield Hit(ALMIGHTY, role.line, f"{role.text} for {', '.join(names)}")


def _exposed(root: Node) -> Iterator[Hit]:
    kind = root.get("spec", "type")
    names = " ".join(
        [
            root.string("metadata", "name"),
            *(p.string("name") for p in _items(root.get("spec", "ports"))),
        ]
    )
    ports = [p.string("port") for p in _items(root.get("spec", "ports"))]
    is_inner = _ML_NAMES.search(names.lower()) or any(re.fullmatch(_INNER, port) for port in ports)
    is_limited = root.get("spec", "loadBalancerSourceRanges") is not None or "internal" in str(
        [v.text for v in (root.get("metadata", "annotations") or Node(0)).entries.values()]
        + list((root.get("metadata", "annotations") or Node(0)).entries)
    )
    ranges = root.get("spec", "loadBalancerSourceRanges")
    is_limited = is_limited and not (ranges is not None and "0.0.0.0/0" in ranges.strings())
    if (
        kind is not None
        and kind.text in {"LoadBalancer", "NodePort"}
        and is_inner
        and not is_limited
    ):
        yield Hit(PUBLISHED, kind.line, f"{kind.text} {root.string('metadata', 'name')}")


_CONSOLES = expression(
    r"mlflow|\bray\b|ray-|jupyter|notebook|tensorboard|minio|airflow|kubeflow|ml-pipeline|katib|flower|prefect|"
    r"label-?studio|dagster|argo|spark|dask|redis|grafana|prometheus|milvus|qdrant|weaviate|optuna|dashboard|tracking"
)
_GUARDED = expression(r"auth|oauth|oidc|whitelist|allow-?list|source-range|mtls|client-ca|internal")


def _entered(root: Node) -> Iterator[Hit]:
    """Consoles that come in from outside with nobody asked who they are."""
    notes = root.get("metadata", "annotations")
    told = "" if notes is None else " ".join(f"{k} {v.text}" for k, v in notes.entries.items())
    if _GUARDED.search(told.lower()):
        return
    for path, node in root.walk():
        name = node.text or ""
        is_backend = path[-2:] == ("service", "name") or path[-1:] == ("serviceName",)
        if is_backend and _CONSOLES.search(name.lower()):
            yield Hit(PUBLISHED, node.line, f"Ingress to {name}")
            return


def _policies(root: Node) -> Iterator[Hit]:
    rules = root.get("spec", "rules")
    if rules is None or root.string("spec", "action") not in {"", "ALLOW"}:
        return
    if any(not item.entries and not item.items for item in rules.items):
        yield Hit(PUBLIC, rules.line, "a rule for everybody")


_PODDED = frozenset({"hostNetwork", "hostPID", "hostIPC"})


def _pods(root: Node) -> Iterator[Hit]:
    """Pod settings wherever they stand: workloads, charts, custom resources, values."""
    for path, node in root.walk():
        if node.kind != "mapping":
            continue
        for key, value in node.entries.items():
            text, line = value.text or "", node.key_lines.get(key, node.line)
            if key == "privileged" and text == "true" and "services" not in path:
                yield Hit(PRIVILEGED, line, "privileged: true")
            elif key in _PODDED and text == "true":
                yield Hit(HOST, line, f"{key}: true")
            elif (key, text) in {
                ("allowPrivilegeEscalation", "true"),
                ("runAsUser", "0"),
                ("runAsNonRoot", "false"),
            }:
                yield Hit(ROOT, line, f"{key}: {text}")
            elif key == "hostPath" and _HOST_PATHS.match(value.string("path")):
                yield Hit(HOST, value.key_lines["path"], value.string("path"))
            elif key == "add" and path[-1:] == ("capabilities",):
                wide = _DANGEROUS & set(value.strings())
                yield from [Hit(PRIVILEGED, value.line, ", ".join(sorted(wide)))] if wide else []
        if "containers" in path or "initContainers" in path:
            image = node.get("image")
            if (
                image is not None
                and image.text
                and "@sha256:" not in image.text
                and not re.search(r"TEMPLATE|\$", image.text)
            ):
                yield Hit(IMAGE, image.line, image.text)


def _embedded(root: Node) -> Iterator[Hit]:
    """Settings files inside of config maps."""
    data = root.get("data")
    if root.string("kind") != "ConfigMap" or data is None:
        return
    for value in data.entries.values():
        if value.kind != "block":
            continue
        for offset, line in enumerate((value.text or "").split("\n"), start=1):
            pair = re.match(r"\s*(?:c\.)?([\w.\-]+)\s*[=:]\s*(.*)$", line)
            if pair is not None:
                yield from _setting(pair[1], pair[2], value.line + offset)
        yield from _command(value.text or "", value.line + 1)


# Clouds --------------------------------------------------------------------------------

_TERRAFORM: tuple[tuple[Rule, str], ...] = (
    (MUTABLE, r"\bimage_tag_mutability\s*=\s*\"MUTABLE\"|\bimmutable_tags\s*=\s*false"),
    (PUBLIC, r"\bacl\s*=\s*\"public-read(?:-write)?\""),
    (PUBLIC, r"\b(?:block_public_acls|block_public_policy|ignore_public_acls|restrict_public_buckets)\s*=\s*false"),
    (PUBLIC, r"\b(?:publicly_accessible|map_public_ip_on_launch_for_ml|public_network_access_enabled|allow_blob_public_access|allow_nested_items_to_be_public|endpoint_public_access_everyone)\s*=\s*true"),
    (PUBLIC, r"\bcontainer_access_type\s*=\s*\"(?:blob|container)\""),
    (PUBLIC, r"\bmembers?\s*=\s*\[?\s*\"all(?:Authenticated)?Users\""),
    (PUBLIC, r"\"?Principal\"?\s*[:=]\s*(?:\"\*\"|\{\s*\"?AWS\"?\s*[:=]\s*\"\*\")"),
    (PUBLIC, r"\bdirect_internet_access\s*=\s*\"Enabled\"|\broot_access\s*=\s*\"Enabled\""),
    (PUBLIC, r"\bpublic_network_access\s*=\s*\"Enabled\"|\bauthorization_type\s*=\s*\"NONE\"|no_public_ip\s*=\s*false|disable_public_ip\s*=\s*false|notebook-disable-root\"?\s*=\s*\"false"),
    (PUBLIC, r"\buniform_bucket_level_access\s*=\s*false"),
    (ALMIGHTY, r"\"?Action\"?\s*[:=]\s*\[?\s*\"(?:\*|s3:\*|sagemaker:\*|iam:\*)\"(?=[\s\S]{0,200}\"?Resource\"?\s*[:=]\s*\[?\s*\"\*\")"),
    (ALMIGHTY, r"\bactions\s*=\s*\[\s*\"\*\"\s*\]|policy/AdministratorAccess|\brole\s*=\s*\"roles/(?:owner|editor)\""),
    (UNENCRYPTED, r"\b(?:storage_encrypted|encrypted|encrypt_at_rest|enable_https_traffic_only|encryption_at_host_enabled)\s*=\s*false"),
)  # fmt: skip


def _terraform(text: str) -> Iterator[Hit]:
    for broken, pattern in _TERRAFORM:
        for match in re.finditer(pattern, text):
            if (
                not text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
                .lstrip()
                .startswith(("#", "//"))
            ):
                yield Hit(broken, text.count("\n", 0, match.start()) + 1, match[0])
    for match in re.finditer(
        r"\bingress\b[^{]*\{([^}]*)\}|type\s*=\s*\"ingress\"([^}]*)|source_ranges\s*=\s*\[([^\]]*)\]|source_address_prefix\s*=\s*([^\n]*)",
        text,
    ):
        body = next(group for group in match.groups() if group is not None)
        cidr = re.search(r"\"(?:0\.0\.0\.0/0|::/0|\*|Internet)\"", body)
        port = re.search(r"\bfrom_port\s*=\s*(\d+)", match[0])
        if cidr is not None and (port is None or port[1] not in {"443", "80"}):
            place = match.start() + match[0].find(cidr[0])
            yield Hit(PUBLIC, text.count("\n", 0, place) + 1, cidr[0])
    for match in re.finditer(r"\bcidr_ipv[46]\s*=\s*\"(?:0\.0\.0\.0/0|::/0)\"", text):
        start = text.rfind("resource", 0, match.start())
        port = re.search(r"\bfrom_port\s*=\s*(\d+)", text[start : match.start() + 200])
        is_in = "egress" not in text[start : match.start()].partition("{")[0]
        if is_in and (port is None or port[1] not in {"443", "80"}):
            yield Hit(PUBLIC, text.count("\n", 0, match.start()) + 1, match[0])
    for form in (_TERRAFORM_PAIR, _TERRAFORM_SETTING):
        for match in form.finditer(text):
            name, value = match["name"], match["value"]
            line = text.count("\n", 0, match.start()) + 1
            yield from _setting(name, value, line)
            if (name, value) in _OF_CONTAINERS:
                yield Hit(_OF_CONTAINERS[name, value], line, f"{name} = {value}")
    for match in re.finditer(r"\bsource\s*=\s*\"((?:git::|github\.com/|git@)[^\"]+)\"", text):
        if not re.search(r"[?&]ref=(?:[0-9a-f]{40}|v?\d+\.\d+)", match[1]):
            yield Hit(MOVING, text.count("\n", 0, match.start()) + 1, match[1][:80])
    yield from _command(text, 1)


_TERRAFORM_PAIR = expression(
    r"\bname\s*=\s*\"(?P<name>[\w.\-/]+)\"\s*,?\s*value\s*=\s*\"(?P<value>[^\"\n]*)\""
)
_TERRAFORM_SETTING = expression(
    r"^[ \t]*\"?(?P<name>[A-Za-z_][\w.\-]*)\"?[ \t]*=[ \t]*\"?(?P<value>[^\"\n#]*?)\"?[ \t]*(?:#.*)?$",
    re.MULTILINE,
)
_OF_CONTAINERS = {
    ("privileged", "true"): PRIVILEGED,
    ("allow_privilege_escalation", "true"): PRIVILEGED,
    ("host_network", "true"): HOST,
    ("host_pid", "true"): HOST,
    ("host_ipc", "true"): HOST,
}

_FORMATION = {
    ("AccessControl", "PublicRead"), ("AccessControl", "PublicReadWrite"),
    ("PubliclyAccessible", "true"), ("BlockPublicAcls", "false"), ("BlockPublicPolicy", "false"),
    ("DirectInternetAccess", "Enabled"), ("RootAccess", "Enabled"),
}  # fmt: skip


def _formation(root: Node) -> Iterator[Hit]:
    for _, node in root.walk():
        for key, value in node.entries.items():
            if (key, value.text) in _FORMATION:
                yield Hit(PUBLIC, value.line, f"{key}: {value.text}")
            if key in {"CidrIp", "CidrIpv6"} and value.text in {"0.0.0.0/0", "::/0"}:
                if node.string("FromPort") not in {"443", "80"}:
                    yield Hit(PUBLIC, value.line, f"{key}: {value.text}")
            if key == "StorageEncrypted" and value.text == "false":
                yield Hit(UNENCRYPTED, value.line, f"{key}: false")
        if (
            node.string("Action") == "*"
            and node.string("Resource") == "*"
            and node.string("Effect") != "Deny"
        ):
            yield Hit(ALMIGHTY, node.key_lines["Action"], "Action: *")


def _names_who(text: str) -> bool:
    """Whether no statement of a policy lets everybody in: denials do not, conditions may not."""
    try:
        statements = read_policy(text.encode())
    except ArtifactError:
        return False
    return statements is not None and not any(
        one.allows and one.is_for_everybody and not is_narrowed(one) for one in statements
    )


_JSON_SERVICES = expression(
    r"(?i)jupyter|config|settings|env|values|deploy|server|service|daemon|compose|manifest|helm|params|template"
)
_KIND_OF_LOGIN = expression(r"(?i)(?:.*[._-])?auth[_-]?(?:type|mode|method)")


def _policy(text: str, *, of_service: bool) -> Iterator[Hit]:
    """Access policies and settings in JSON.

    Args:
        of_service: Whether the file's name says that a service is set up by it: in other files
            a kind of login is what a client says when it calls somebody.
    """
    if '"Statement"' in text or '"Principal"' in text:
        is_closed = _names_who(text)
        for broken, pattern in _TERRAFORM:
            if broken is PUBLIC and is_closed:
                continue
            for match in (
                re.finditer(pattern, text) if "Principal" in pattern or "Action" in pattern else ()
            ):
                yield Hit(broken, text.count("\n", 0, match.start()) + 1, match[0])
    for match in re.finditer(r"\"tcp://(?:0\.0\.0\.0|\[?::\]?|\*)?:\d+\"", text):
        if '"hosts"' in text and not re.search(r"\"tlsverify\"\s*:\s*true", text):
            yield Hit(PUBLIC, text.count("\n", 0, match.start()) + 1, match[0])
    insecure = re.search(r"\"insecure-registries\"\s*:\s*\[\s*\"", text)
    if insecure is not None:
        yield Hit(PLAIN, text.count("\n", 0, insecure.start()) + 1, "insecure-registries")
    for match in re.finditer(r"\"([\w.\-]+)\"\s*:\s*(\"[^\"\n]*\"|true|false)", text):
        broken_setting = setting_fault(match[1], match[2])
        if not of_service and _KIND_OF_LOGIN.fullmatch(match[1]):
            continue
        if broken_setting is not None:
            yield Hit(broken_setting, text.count("\n", 0, match.start()) + 1, match[0])
