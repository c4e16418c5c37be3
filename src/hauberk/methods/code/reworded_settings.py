"""Unsafe settings written by a grammar: what is started or installed, and in which file.

A command with its flags is drawn apart from the file that carries it, a moving reference apart
from the file that names it. ``@a@`` and ``@b@`` are names, ``@hex@`` is a commit, ``@sha@`` a
digest.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from random import Random

from hauberk.methods.code.planted import Fault

Words = Sequence[str]
Carrier = Callable[[Words], str]


def _shell(words: Words) -> str:
    return "#!/usr/bin/env bash\nset -euo pipefail\n\nexec " + shlex.join(words) + "\n"


def _broken(words: Words) -> str:
    return "#!/bin/sh\n" + " \\\n    ".join(shlex.quote(word) for word in words) + "\n"


def _docker_list(words: Words) -> str:
    start = f"FROM python:3.12-slim@sha256:{'5' * 64}\nUSER app\nENTRYPOINT "
    return start + json.dumps(list(words)) + "\n"


def _docker_line(words: Words) -> str:
    start = f"FROM python:3.12-slim@sha256:{'5' * 64}\nUSER app\nCMD "
    return start + shlex.join(words) + "\n"


def _docker_parts(words: Words) -> str:
    start = f"FROM python:3.12-slim@sha256:{'5' * 64}\nUSER app\n"
    return f"{start}ENTRYPOINT {json.dumps(list(words[:1]))}\nCMD {json.dumps(list(words[1:]))}\n"


def _compose(words: Words) -> str:
    inner = f"registry.test/@a@@sha256:{'6' * 64}"
    return f"services:\n  @a@:\n    image: {inner}\n    command: {shlex.join(words)}\n"


def _compose_list(words: Words) -> str:
    lines = "".join(f"      - {json.dumps(word)}\n" for word in words)
    inner = f"registry.test/@a@@sha256:{'6' * 64}"
    return f"services:\n  @a@:\n    image: {inner}\n    entrypoint:\n{lines}"


def _pod(words: Words) -> str:
    args = "".join(f"            - {json.dumps(word)}\n" for word in words[1:])
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: @a@\nspec:\n  template:\n"
        "    spec:\n      automountServiceAccountToken: false\n      containers:\n"
        f"        - name: @b@\n          image: registry.test/@a@@sha256:{'6' * 64}\n"
        f"          command: [{json.dumps(words[0])}]\n          args:\n{args}"
        "          securityContext:\n            runAsNonRoot: true\n"
        "            allowPrivilegeEscalation: false\n            capabilities:\n"
        "              drop: [ALL]\n"
    )


def _unit(words: Words) -> str:
    return f"[Unit]\nDescription=@a@\n\n[Service]\nUser=@b@\nExecStart={shlex.join(words)}\n"


def _make(words: Words) -> str:
    return f".PHONY: @a@\n@a@:\n\t{shlex.join(words)}\n"


def _proc(words: Words) -> str:
    return f"@a@: {shlex.join(words)}\n"


def _process(words: Words) -> str:
    return f"import subprocess\n\n\ndef @a@():\n    return subprocess.Popen({list(words)!r})\n"


def _workflow(words: Words) -> str:
    return (
        "name: @a@\non: push\npermissions: {}\njobs:\n  @b@:\n    runs-on: ubuntu-24.04\n"
        f"    steps:\n      - run: {shlex.join(words)}\n"
    )


def _notebook(words: Words) -> str:
    cell: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    cell |= {"source": ["# set up\n", "!" + shlex.join(words)]}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


STARTED: tuple[tuple[str, Carrier], ...] = (
    ("bin/@a@.sh", _shell),
    ("scripts/@b@-up.sh", _broken),
    ("Dockerfile", _docker_list),
    ("docker/@a@.Dockerfile", _docker_line),
    ("Containerfile", _docker_parts),
    ("docker-compose.yml", _compose),
    ("compose.@a@.yaml", _compose_list),
    ("k8s/@a@.yaml", _pod),
    ("deploy/@a@.service", _unit),
    ("Makefile", _make),
    ("Procfile", _proc),
    ("ops/@a@.py", _process),
)
INSTALLED: tuple[tuple[str, Carrier], ...] = (
    ("bin/@a@.sh", _shell),
    ("scripts/@b@-up.sh", _broken),
    ("Makefile", _make),
    ("ops/@a@.py", _process),
    (".github/workflows/@a@.yml", _workflow),
    ("notebooks/@a@.ipynb", _notebook),
)

SERVICES: tuple[tuple[str, str, str], ...] = (
    ("jupyter-token", "jupyter lab --ip=0.0.0.0 --ServerApp.token=", "jupyter lab --ip=127.0.0.1"),
    (
        "jupyter-identity",
        "jupyter-lab --ServerApp.ip=* --IdentityProvider.token=''",
        "jupyter-lab --ServerApp.ip=localhost --no-browser",
    ),
    (
        "notebook-password",
        "jupyter notebook --NotebookApp.password= --NotebookApp.token= --ip 0.0.0.0",
        "jupyter notebook --ip localhost --port 8889",
    ),
    ("mlflow", "mlflow server --host 0.0.0.0 --port 5000", "mlflow server --host 127.0.0.1"),
    ("mlflow-ui", "mlflow ui -h 0.0.0.0", "mlflow ui -h localhost"),
    (
        "mlflow-auth",
        "mlflow server --backend-store-uri sqlite:///m.db --host=0.0.0.0",
        "mlflow server --backend-store-uri sqlite:///m.db --app-name=basic-auth --host=0.0.0.0",
    ),
    (
        "ray",
        "ray start --head --block --dashboard-host=0.0.0.0",
        "ray start --head --block --dashboard-host=127.0.0.1",
    ),
    (
        "ray-spaced",
        "ray start --head --dashboard-host 0.0.0.0 --dashboard-port 8265",
        "ray start --head --dashboard-host localhost --dashboard-port 8265",
    ),
    ("tensorboard", "tensorboard --logdir runs --bind_all", "tensorboard --logdir runs"),
    (
        "tensorboard-host",
        "tensorboard --host=0.0.0.0 --logdir=runs",
        "tensorboard --host=localhost --logdir=runs",
    ),
    (
        "redis",
        "redis-server --bind 0.0.0.0 --protected-mode no",
        "redis-server --bind 127.0.0.1 --protected-mode yes",
    ),
    (
        "torchserve",
        "torchserve --foreground --model-store m --disable-token-auth",
        "torchserve --foreground --model-store m --ncs",
    ),
    ("mongo", "mongod --bind_ip_all --noauth", "mongod --bind_ip 127.0.0.1 --auth"),
    (
        "editor",
        "code-server --bind-addr 0.0.0.0:8080 --auth none",
        "code-server --bind-addr 127.0.0.1:8080 --auth password",
    ),
    (
        "daemon",
        "dockerd -H tcp://0.0.0.0:2375",
        "dockerd -H unix:///var/run/docker.sock",
    ),
    ("cloud-run", "gcloud run deploy @a@ --allow-unauthenticated", "gcloud run deploy @a@ --no-allow-unauthenticated"),
)  # fmt: skip

_GIT = "git+https://github.com/acme/@b@"
REFERENCES: tuple[tuple[str, str, str], ...] = (
    ("git-branch", f"pip install {_GIT}@main", f"pip install {_GIT}@@hex@"),
    ("git-bare", f"python -m pip install -U {_GIT}.git", f"python -m pip install -U {_GIT}.git@@hex@"),
    ("git-ssh", "pip install git+ssh://git@github.com/acme/@b@.git@develop", "pip install git+ssh://git@github.com/acme/@b@.git@@hex@"),
    ("git-named", f"pip3 install '@b@ @ {_GIT}@master'", f"pip3 install '@b@ @ {_GIT}@@hex@'"),
    ("archive", "pip install https://github.com/acme/@b@/archive/refs/heads/main.zip", "pip install https://github.com/acme/@b@/archive/@hex@.zip#sha256=@sha@"),
    ("uv", f"uv pip install {_GIT}@dev", f"uv pip install {_GIT}@@hex@"),
    ("editable", f"pip install -e {_GIT}@main#egg=@b@", f"pip install -e {_GIT}@@hex@#egg=@b@"),
    ("extra-index", "pip install --extra-index-url https://pkgs.acme.test/simple @b@-core==1.0", "pip install --index-url https://pkgs.acme.test/simple @b@-core==1.0"),
    ("plain-index", "pip install -i http://pkgs.acme.test/simple @b@-core==1.0", "pip install -i https://pkgs.acme.test/simple @b@-core==1.0"),
    ("trusted-host", "pip install --trusted-host pkgs.acme.test -i https://pkgs.acme.test/simple @b@-core==1.0", "pip install -i https://pkgs.acme.test/simple @b@-core==1.0"),
    ("piped", "sh -c 'curl -fsSL https://get.acme.test/@b@.sh | sh'", "sh -c 'echo @b@ | sh -n'"),
)  # fmt: skip

FILES: tuple[Fault, ...] = (
    Fault("setup-py", "setup.py", "from setuptools import setup\n\nsetup(\n    name='@a@',\n    install_requires=['@b@ @ git+https://github.com/acme/@b@@main'],\n)\n", "from setuptools import setup\n\nsetup(\n    name='@a@',\n    install_requires=['@b@ @ git+https://github.com/acme/@b@@@hex@'],\n)\n"),
    Fault("setup-cfg", "setup.cfg", "[metadata]\nname = @a@\n\n[options]\ninstall_requires =\n    @b@ @ git+https://github.com/acme/@b@.git@develop\n", "[metadata]\nname = @a@\n\n[options]\ninstall_requires =\n    @b@ @ git+https://github.com/acme/@b@.git@@hex@\n"),
    Fault("project", "pyproject.toml", "[project]\nname = '@a@'\nversion = '1'\ndependencies = ['@b@ @ git+https://github.com/acme/@b@']\n", "[project]\nname = '@a@'\nversion = '1'\ndependencies = ['@b@ @ git+https://github.com/acme/@b@@@hex@']\n"),
    Fault("project-extra", "pyproject.toml", "[project]\nname = '@a@'\nversion = '1'\n\n[project.optional-dependencies]\ntrain = ['@b@ @ git+https://github.com/acme/@b@@main']\n", "[project]\nname = '@a@'\nversion = '1'\n\n[project.optional-dependencies]\ntrain = ['@b@ @ git+https://github.com/acme/@b@@@hex@']\n"),
    Fault("uv-source", "pyproject.toml", "[project]\nname = '@a@'\nversion = '1'\ndependencies = ['@b@']\n\n[tool.uv.sources]\n@b@ = { git = 'https://github.com/acme/@b@', branch = 'main' }\n", "[project]\nname = '@a@'\nversion = '1'\ndependencies = ['@b@==1.0']\n\n[tool.uv.sources]\n@b@ = { git = 'https://github.com/acme/@b@', rev = '@hex@' }\n"),
    Fault("pipfile", "Pipfile", "[packages]\n@b@ = {git = 'https://github.com/acme/@b@', ref = 'main'}\n", "[packages]\n@b@ = {git = 'https://github.com/acme/@b@', ref = '@hex@'}\n"),
    Fault("poetry-group", "pyproject.toml", "[tool.poetry]\nname = '@a@'\n\n[tool.poetry.group.dev.dependencies]\n@b@ = {git = 'https://github.com/acme/@b@', branch = 'next'}\n", "[tool.poetry]\nname = '@a@'\n\n[tool.poetry.group.dev.dependencies]\n@b@ = {git = 'https://github.com/acme/@b@', rev = '@hex@'}\n"),
    Fault("conda", "environment.yml", "name: @a@\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11.9\n  - pip=24.0\n  - pip:\n    - git+https://github.com/acme/@b@@main\n", "name: @a@\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11.9\n  - pip=24.0\n  - pip:\n    - git+https://github.com/acme/@b@@@hex@\n"),
    Fault("requirements-dev", "requirements/dev.in", "@b@ @ git+https://github.com/acme/@b@@feature/new\n", "@b@ @ git+https://github.com/acme/@b@@@hex@\n"),
    Fault("tox", "tox.ini", "[testenv]\ndeps =\n    git+https://github.com/acme/@b@@main\ncommands = pytest\n", "[testenv]\ndeps =\n    git+https://github.com/acme/@b@@@hex@\ncommands = pytest\n"),
    Fault("hook", ".pre-commit-config.yaml", "repos:\n  - repo: https://github.com/acme/@b@\n    rev: HEAD\n    hooks:\n      - id: @a@\n", "repos:\n  - repo: https://github.com/acme/@b@\n    rev: @hex@\n    hooks:\n      - id: @a@\n"),
    Fault("action", ".github/workflows/@a@.yml", "on: push\npermissions: {}\njobs:\n  x:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: acme/@b@@main\n", "on: push\npermissions: {}\njobs:\n  x:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: acme/@b@@@hex@\n"),
    Fault("image-run", "Dockerfile", "FROM python:3.12-slim@sha256:@sha@\nRUN apt-get update && pip install --no-cache-dir git+https://github.com/acme/@b@@main\nUSER app\n", "FROM python:3.12-slim@sha256:@sha@\nRUN apt-get update && pip install --no-cache-dir git+https://github.com/acme/@b@@@hex@\nUSER app\n"),
    Fault("image-base", "docker/@a@.Dockerfile", "ARG BASE=pytorch/pytorch:latest\nFROM ${BASE} AS build\nUSER app\n", "ARG BASE=pytorch/pytorch@sha256:@sha@\nFROM ${BASE} AS build\nUSER app\n"),
)  # fmt: skip

SETTINGS: tuple[Fault, ...] = (
    Fault("jupyter-config", "jupyter_server_config.py", "c = get_config()\nc.ServerApp.ip = '0.0.0.0'\nc.IdentityProvider.token = ''\n", "c = get_config()\nc.ServerApp.ip = '127.0.0.1'\nc.ServerApp.open_browser = False\n"),
    Fault("jupyter-json", ".jupyter/jupyter_server_config.json", '{"ServerApp": {"ip": "0.0.0.0", "token": "", "password": ""}}', '{"ServerApp": {"ip": "localhost", "open_browser": false}}'),
    Fault("redis-conf", "conf/redis.conf", "bind 0.0.0.0\nport 6379\nprotected-mode no\n", "bind 127.0.0.1 -::1\nport 6379\nprotected-mode yes\n"),
    Fault("airflow-env", "docker-compose.yaml", "services:\n  web:\n    image: apache/airflow@sha256:@sha@\n    environment:\n      AIRFLOW__API__AUTH_BACKENDS: airflow.api.auth.backend.default\n", "services:\n  web:\n    image: apache/airflow@sha256:@sha@\n    environment:\n      AIRFLOW__API__AUTH_BACKENDS: airflow.api.auth.backend.session\n"),
    Fault("airflow-cfg", "airflow.cfg", "[api]\nauth_backends = airflow.api.auth.backend.default\n", "[api]\nauth_backends = airflow.providers.fab.auth_manager.api.auth.backend.basic_auth\n"),
    Fault("torchserve-config", "config.properties", "inference_address=http://0.0.0.0:8080\nmanagement_address=http://0.0.0.0:8081\n", "inference_address=http://127.0.0.1:8080\nmanagement_address=http://127.0.0.1:8081\n"),
    Fault("minio", "compose.yml", "services:\n  s3:\n    image: minio/minio@sha256:@sha@\n    command: server /data\n    environment:\n      - MINIO_ROOT_USER=minioadmin\n      - MINIO_ROOT_PASSWORD=minioadmin\n", "services:\n  s3:\n    image: minio/minio@sha256:@sha@\n    command: server /data\n    environment:\n      - MINIO_ROOT_USER=${USER_NAME}\n      - MINIO_ROOT_PASSWORD=${USER_PASSWORD}\n"),
    Fault("postgres", "compose.yml", "services:\n  db:\n    image: postgres@sha256:@sha@\n    environment:\n      POSTGRES_HOST_AUTH_METHOD: trust\n", "services:\n  db:\n    image: postgres@sha256:@sha@\n    environment:\n      POSTGRES_PASSWORD_FILE: /run/secrets/@a@\n    secrets: [@a@]\n"),
    Fault("elastic", "deploy/es.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: @a@\ndata:\n  elasticsearch.yml: |\n    network.host: 0.0.0.0\n    xpack.security.enabled: false\n", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: @a@\ndata:\n  elasticsearch.yml: |\n    network.host: 0.0.0.0\n    xpack.security.enabled: true\n"),
    Fault("gradio", "app/@a@.py", "import gradio as gr\n\ndemo = gr.Interface(fn=len, inputs='text', outputs='number')\ndemo.queue().launch(share=True)\n", "import gradio as gr\n\ndemo = gr.Interface(fn=len, inputs='text', outputs='number')\ndemo.queue().launch(share=False)\n"),
    Fault("privileged", "k8s/@a@.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: @a@\nspec:\n  template:\n    spec:\n      containers:\n        - name: t\n          image: r.test/@b@@sha256:@sha@\n          securityContext: {privileged: true}\n", "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: @a@\nspec:\n  template:\n    spec:\n      automountServiceAccountToken: false\n      containers:\n        - name: t\n          image: r.test/@b@@sha256:@sha@\n          securityContext: {privileged: false, runAsNonRoot: true, allowPrivilegeEscalation: false}\n"),
    Fault("socket", "compose.yaml", "services:\n  @a@:\n    image: r.test/@b@@sha256:@sha@\n    volumes:\n      - type: bind\n        source: /var/run/docker.sock\n        target: /var/run/docker.sock\n", "services:\n  @a@:\n    image: r.test/@b@@sha256:@sha@\n    volumes:\n      - type: volume\n        source: data\n        target: /data\n"),
    Fault("group", "infra/@a@.tf", 'resource "aws_security_group_rule" "@a@" {\n  type        = "ingress"\n  from_port   = 8888\n  to_port     = 8888\n  protocol    = "tcp"\n  cidr_blocks = ["0.0.0.0/0"]\n}\n', 'resource "aws_security_group_rule" "@a@" {\n  type        = "ingress"\n  from_port   = 8888\n  to_port     = 8888\n  protocol    = "tcp"\n  cidr_blocks = ["10.0.0.0/16"]\n}\n'),
    Fault("bucket", "infra/@a@.tf", 'resource "aws_s3_bucket_acl" "@a@" {\n  bucket = aws_s3_bucket.@b@.id\n  acl    = "public-read"\n}\n', 'resource "aws_s3_bucket_acl" "@a@" {\n  bucket = aws_s3_bucket.@b@.id\n  acl    = "private"\n}\n'),
)  # fmt: skip


def started(rng: Random) -> Fault:
    """A service that answers anyone: by a command in some file, or by its settings."""
    drawn = rng.randrange(len(SERVICES) + len(SETTINGS))
    if drawn >= len(SERVICES):
        return SETTINGS[drawn - len(SERVICES)]
    return _carried(SERVICES[drawn], rng.choice(STARTED))


def installed(rng: Random) -> Fault:
    """A dependency that can change: by a command in some file, or by a file of its own."""
    drawn = rng.randrange(len(REFERENCES) + len(FILES))
    if drawn >= len(REFERENCES):
        return FILES[drawn - len(REFERENCES)]
    return _carried(REFERENCES[drawn], rng.choice(INSTALLED))


def _carried(kind: tuple[str, str, str], carrier: tuple[str, Carrier]) -> Fault:
    name, bad, good = kind
    path, write = carrier
    return Fault(name, path, write(shlex.split(bad)), write(shlex.split(good)))
