"""Train a model that predicts whether a mortgage application is approved."""

import json

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NOT_FEATURES = ["race", "sex", "approve"]

train = pd.read_csv("data/train.csv")
validation = pd.read_csv("data/validation.csv")
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(train.drop(columns=NOT_FEATURES), train["approve"])

scores = model.predict_proba(validation.drop(columns=NOT_FEATURES))[:, 1]
metrics = {"roc_auc": roc_auc_score(validation["approve"], scores)}
print(metrics)

joblib.dump(model, "model.joblib")
with open("metrics.json", "w") as file:
    json.dump(metrics, file)
