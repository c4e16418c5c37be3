"""What a user of MLflow does, step by step; runs in MLflow's own environment.

Prints one line of JSON: step to what came of it.
"""

import json
import os
import shutil
import sys
import warnings
from pathlib import Path

import mlflow
import mlflow.sklearn
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sklearn.linear_model import LogisticRegression

from hauberk.integrations import mlflow_legacy
from hauberk.integrations.environment import KEYS, POLICY
from hauberk.integrations.mlflow_models import GATE, LEGACY

CANARY = "canary"
ENTRY = {
    "threat": "EX-1",
    "subject": "shop.models.Ranker",
    "owner": "model team",
    "reason": "read it",
    "expires": "2099-01-01",
}


def load(address):
    """``loaded``, or the first line of why not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = mlflow.sklearn.load_model(address)
    except Exception as error:  # noqa: BLE001 - whatever refuses is a result
        return str(error).split(";")[0]
    return "loaded" if list(model.predict([[0.0], [1.0]])) == [0, 1] else "loaded another"


def files_of(client, version):
    """Where the registry keeps a version's files on this machine."""
    repository = get_artifact_repository(f"models:/loans/{version}").repo
    while not hasattr(repository, "artifact_dir"):
        repository = repository.repo
    return Path(repository.artifact_dir)


def main(folder, key, public, other):
    mlflow.set_tracking_uri(f"file://{folder}/runs")
    client = mlflow.MlflowClient()
    found = {}
    for labels in ([0, 1], [1, 0]):
        model = LogisticRegression().fit([[0.0], [1.0]], labels)
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model,
                name="model",
                serialization_format="cloudpickle",
                registered_model_name="loans",
            )
    client.set_registered_model_alias("loans", "prod", "1")
    found["without keys"] = load("models:/loans@prod")
    os.environ[KEYS] = public
    found["unsigned"] = load("models:/loans@prod")
    found["sealing"] = mlflow_legacy.main(
        ["--tracking-uri", f"file://{folder}/runs", "--key", key, "--name", "loans"]
    )
    found["tag"] = client.get_model_version("loans", "1").tags.get("hauberk.origin")
    found["sealed"] = load("models:/loans@prod")
    found["by number"] = load("models:/loans/1")
    found["again"] = load("models:/loans@prod")
    os.environ[LEGACY] = "refuse"
    found["legacy refused"] = load("models:/loans@prod")
    del os.environ[LEGACY]
    os.environ[KEYS] = other
    found["other key"] = load("models:/loans@prod")
    os.environ[KEYS] = public
    here, there = files_of(client, 1), files_of(client, 2)
    kept = (here / "model.pkl").read_bytes()
    shutil.copyfile(there / "model.pkl", here / "model.pkl")
    found["swapped file"] = load("models:/loans@prod")
    (here / "model.pkl").write_bytes(kept)
    (here / "sitecustomize.py").write_text("print('planted')")
    found["added file"] = load("models:/loans@prod")
    (here / "sitecustomize.py").unlink()
    (here / "model.sig").rename(here / "kept.sig")
    found["signature removed"] = load("models:/loans@prod")
    (here / "kept.sig").rename(here / "model.sig")
    found["restored"] = load("models:/loans@prod")
    del os.environ[KEYS]
    (here / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch " + CANARY.encode() + b"'\ntR.")
    found["dangerous"] = load("models:/loans@prod")
    (here / "model.pkl").write_bytes(b"\x80\x04cshop.models\nRanker\n)\x81}b.")
    found["unreviewed"] = load("models:/loans@prod")
    Path("policy.json").write_text(json.dumps({"waivers": [ENTRY]}))
    os.environ[POLICY] = "policy.json"
    found["allowed"] = load("models:/loans@prod")
    del os.environ[POLICY]
    os.environ[GATE] = "warn"
    found["warned"] = load("models:/loans@prod")
    found["canary"] = Path(CANARY).exists()
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
