"""Workflows for continuous integration, as text: scan, run, and sign in a separate job."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

_INSTALL = """python3 -m venv .ci-venv
          .ci-venv/bin/pip install --require-hashes --only-binary :all: -r requirements.txt"""

CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"
UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2"
DOWNLOAD = "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0"
"""GitHub's own actions, by the commits of these releases."""


def _checkout(depth: int) -> str:
    return f"""      - name: fetch the source
        uses: {CHECKOUT}
        with:
          fetch-depth: {depth}
          persist-credentials: false"""


def github(models: Sequence[str]) -> str:
    """A workflow for GitHub, whose only actions are its own, pinned by their commits.

    Args:
        models: Files that the run makes and that are signed, relative to the project.
    """
    kept = "\n".join(f"            {path}" for path in models)
    signed = "\n".join(
        f"          .ci-venv/bin/hauberk scan {quote(path)}\n"
        f"          .ci-venv/bin/hauberk sign {quote(path)} --keyless"
        for path in models
    )
    signatures = "\n".join(f"            {path}.sig" for path in models)
    return f"""# Written by `hauberk ci github` from hauberk.toml. The job that runs
# the project's code holds no key and no right to sign; the job that signs runs none of that
# code. It signs as the identity of this workflow, for which requirements.txt holds hauberk and
# sigstore, with hashes.
name: hauberk
on:
  pull_request:
  push:
    branches: [main]
permissions: {{}}
concurrency:
  group: hauberk-${{{{ github.ref }}}}
  cancel-in-progress: true
jobs:
  scan:
    name: scan
    runs-on: ubuntu-24.04
    timeout-minutes: 20
    permissions:
      contents: read # to fetch the source
    steps:
{_checkout(0)}
      - name: scan code, history, models and data
        run: |
          {_INSTALL}
          .ci-venv/bin/hauberk scan . --format sarif --output hauberk.sarif
  run:
    name: run
    needs: scan
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read # to fetch the source
    steps:
{_checkout(1)}
      - name: run the lifecycle without any key
        run: |
          {_INSTALL}
          .ci-venv/bin/hauberk run
      - name: hand over what was made
        uses: {UPLOAD}
        with:
          name: run
          path: |
            .hauberk
{kept}
          include-hidden-files: true
          if-no-files-found: error
  sign:
    name: sign
    needs: run
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    permissions:
      contents: read # to fetch requirements.txt
      id-token: write # to sign as this workflow
    steps:
{_checkout(1)}
      - name: take over what was made
        uses: {DOWNLOAD}
        with:
          name: run
      - name: look at the model again and sign it, in a job that runs none of the project's code
        run: |
          {_INSTALL}
{signed}
      - name: keep the signatures
        uses: {UPLOAD}
        with:
          name: signatures
          path: |
{signatures}
          if-no-files-found: error
"""


def gitlab(models: Sequence[str], image: str) -> str:
    """A pipeline for GitLab; jobs run in ``image`` where one is given.

    Args:
        models: Files that the run makes and that are signed, relative to the project.
        image: Image of the jobs by its digest, or empty.
    """
    chosen = f"  image: {image}\n" if image else ""
    # Quoted: the colons of `:all:` would make a mapping of the line.
    install = (
        "    - python3 -m venv .ci-venv\n"
        "    - '.ci-venv/bin/pip install --require-hashes --only-binary :all:"
        " -r requirements.txt'\n"
    )
    kept = "".join(f"      - {path}\n" for path in models)
    signed = "".join(
        f"    - .ci-venv/bin/hauberk scan {quote(path)}\n"
        f"    - .ci-venv/bin/hauberk sign {quote(path)} --keyless --token-file token\n"
        for path in models
    )
    signatures = "".join(f"      - {path}.sig\n" for path in models)
    return f"""# Written by `hauberk ci gitlab` from hauberk.toml; name the image of the
# jobs by a digest. The job that runs the project's code holds no key and no right to sign; the
# job that signs runs none of that code.
stages: [scan, run, sign]

default:
  interruptible: true
  timeout: 1 hour
{chosen}
hauberk-scan:
  stage: scan
  script:
{install}    - .ci-venv/bin/hauberk scan . --format sarif --output hauberk.sarif
  artifacts:
    paths: [hauberk.sarif]
    when: always

hauberk-run:
  stage: run
  needs: [hauberk-scan]
  script:
{install}    - .ci-venv/bin/hauberk run
  artifacts:
    paths:
      - .hauberk
{kept}
hauberk-sign:
  stage: sign
  needs: [hauberk-run]
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  id_tokens:
    HAUBERK_ID_TOKEN:
      aud: sigstore
  script:
{install}    - printf '%s' "$HAUBERK_ID_TOKEN" > token
{signed}    - rm token
  artifacts:
    paths:
{signatures}"""
