"""What asks for production in MLflow, step by step; runs in MLflow's own environment."""

import json
import sys
from pathlib import Path

import mlflow

from hauberk.integrations import mlflow_promotions


def main(folder):
    uri = f"file://{folder}/requests"
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    client.create_registered_model("Loans")
    for number in (1, 2, 3):
        source = Path(folder, f"model-{number}")
        source.mkdir()
        (source / "model.onnx").write_text(f"weights {number}")
        (source / "MLmodel").write_text("flavors: {}")
        client.create_model_version("Loans", f"file://{source}")
    client.set_registered_model_alias("Loans", "production", "1")
    client.set_registered_model_alias("Loans", "candidate", "3")
    client.set_model_version_tag("Loans", "2", mlflow_promotions.REQUEST_TAG, "production")
    asked, told = Path(folder, "requests.json"), Path(folder, "answers.json")
    codes = [mlflow_promotions.main(["--tracking-uri", uri, "--out", str(asked)])]
    answer = {"model": "Loans", "version": "2", "reference": "loans@9", "state": "in production"}
    told.write_text(json.dumps({"schema": 1, "answers": [answer]}))
    codes.append(mlflow_promotions.main(["--tracking-uri", uri, "--answers", str(told)]))
    told.write_text("{}")
    codes.append(mlflow_promotions.main(["--tracking-uri", uri, "--answers", str(told)]))
    tags = client.get_model_version("Loans", "2").tags
    found = {
        "codes": codes,
        "requests": asked.read_text(),
        "tag": tags.get(mlflow_promotions.ANSWER_TAG),
    }
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
