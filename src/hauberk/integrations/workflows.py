"""Workflows for continuous integration, as text: scan, run, and sign in a separate job."""

from __future__ import annotations

_INSTALL = """python3 -m venv .ci-venv
          .ci-venv/bin/pip install --require-hashes --only-binary :all: -r requirements.txt"""

_FETCH = """git init -q .
          git fetch -q --depth "$DEPTH" "$SERVER/$REPOSITORY" "$COMMIT"
          git checkout -q FETCH_HEAD"""

_ENVIRONMENT = """        env:
          DEPTH: "{depth}"
          SERVER: ${{{{ github.server_url }}}}
          REPOSITORY: ${{{{ github.repository }}}}
          COMMIT: ${{{{ github.sha }}}}"""


def _fetch(depth: int) -> str:
    return f"""      - name: fetch the source at the commit that started this
        run: |
          {_FETCH}
{_ENVIRONMENT.format(depth=depth)}"""


def github() -> str:
    """A workflow for GitHub: no foreign actions, no rights but those that a job names.

    The plain fetch reads public repositories; a private one needs a checkout action, pinned by
    its commit.
    """
    return f"""# Written by `hauberk ci github`. Steps are plain shell: foreign actions would
# have to be pinned by commits that the generator cannot know. To sign what the job before made,
# hand it over with an artifact action pinned to a full commit, and add
# `hauberk sign PATH --keyless`. For a private repository replace the fetch by a checkout action
# pinned to a full commit, with persist-credentials: false.
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
    runs-on: ubuntu-24.04
    timeout-minutes: 20
    permissions:
      contents: read
    steps:
{_fetch(2147483647)}
      - name: scan code, history, models and data
        run: |
          {_INSTALL}
          .ci-venv/bin/hauberk scan . --format sarif --output hauberk.sarif
  run:
    needs: scan
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read
    steps:
{_fetch(1)}
      - name: run the lifecycle without any key
        run: |
          {_INSTALL}
          .ci-venv/bin/hauberk run
  sign:
    needs: run
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    permissions:
      contents: read
      id-token: write
    steps:
{_fetch(1)}
      - name: verify in a job that runs none of the project's code
        run: |
          {_INSTALL}
          .ci-venv/bin/hauberk verify
"""


def gitlab(image: str) -> str:
    """A pipeline for GitLab; jobs run in ``image`` where one is given."""
    chosen = f"  image: {image}\n" if image else ""
    # Quoted: the colons of `:all:` would make a mapping of the line.
    install = (
        "    - python3 -m venv .ci-venv\n"
        "    - '.ci-venv/bin/pip install --require-hashes --only-binary :all:"
        " -r requirements.txt'\n"
    )
    return f"""# Written by `hauberk ci gitlab`. Set HAUBERK_MODEL to the model's path, and name the
# image of the jobs by a digest.
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
    paths: [.hauberk, $HAUBERK_MODEL]

hauberk-sign:
  stage: sign
  needs: [hauberk-run]
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  id_tokens:
    HAUBERK_ID_TOKEN:
      aud: sigstore
  script:
{install}    - .ci-venv/bin/hauberk verify
    - printf '%s' "$HAUBERK_ID_TOKEN" > token
    - .ci-venv/bin/hauberk sign "$HAUBERK_MODEL" --keyless --token-file token
"""
