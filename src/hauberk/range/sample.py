"""A small project from real data that scikit-learn carries, as a user would have it.

569 examinations of breast tumours (Wolberg, Street and Mangasarian, 1995): thirty numbers
each, and whether the tumour was malignant. The scripts know nothing of Hauberk.
"""

from __future__ import annotations

from pathlib import Path

from hauberk.errors import UnavailableError

NAME = "tumours"
RAW = "data/examinations.csv"

_CLEAN = '''"""Drop incomplete examinations and give the columns short names."""

import csv

with open("data/examinations.csv", newline="") as file:
    rows = list(csv.reader(file))
names = [name.replace(" ", "_") for name in rows[0]]
complete = [row for row in rows[1:] if all(row)]
with open("data/clean.csv", "w", newline="") as file:
    csv.writer(file).writerows([names, *complete])
print(len(complete), "examinations are complete")
'''

_TRAIN = '''"""Train a model that tells malignant tumours from benign ones."""

import json

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

train = pd.read_csv("data/train.csv")
validation = pd.read_csv("data/validation.csv")
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(train.drop(columns="diagnosis"), train["diagnosis"])

scores = model.predict_proba(validation.drop(columns="diagnosis"))[:, 1]
auc = roc_auc_score(validation["diagnosis"] == model.classes_[1], scores)
joblib.dump(model, "model.joblib")
with open("metrics.json", "w") as file:
    json.dump({"roc_auc": auc}, file)
'''

_LIFECYCLE = """\
# The lifecycle of this project: what each step takes and makes.

[project]
name = "tumours"

[acquisition.examinations]
uri = "data/examinations.csv"
label = "diagnosis"

[preprocessing.clean]
run = "python steps/clean.py"
inputs = ["data/examinations.csv"]
outputs = ["data/clean.csv"]

[preparation]
split = { test = 0.25, validation = 0.15, stratify = "diagnosis", seed = 1 }

[training]
run = "python steps/train.py"
outputs = ["model.joblib", "metrics.json"]
metrics = "metrics.json"
limits = { cpu_s = 60, memory = "4GiB", network = [] }

[validation]
metrics = { roc_auc = ">= 0.95" }
"""


def write_project(root: Path) -> None:
    """Write the project into an empty or new folder.

    Raises:
        UnavailableError: scikit-learn is not installed.
    """
    files = {
        "steps/clean.py": _CLEAN,
        "steps/train.py": _TRAIN,
        "hauberk.toml": _LIFECYCLE,
        RAW: _examinations(),
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _examinations() -> str:
    try:
        from sklearn.datasets import load_breast_cancer
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "the data of the sample project come with scikit-learn",
            hint="pip install 'hauberk[all]'",
        ) from error
    data = load_breast_cancer()
    header = ",".join([*data.feature_names, "diagnosis"])
    names = data.target_names[data.target]
    rows = (
        ",".join([*(repr(float(value)) for value in row), str(name)])
        for row, name in zip(data.data, names, strict=True)
    )
    return "\n".join([header, *rows, ""])
