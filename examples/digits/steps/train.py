"""A small network over the pixels."""

import json

import joblib
import pandas as pd
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

train = pd.read_csv("data/train.csv")
test = pd.read_csv("data/validation.csv")
features = [name for name in train if name != "digit"]
model = make_pipeline(
    MinMaxScaler(), MLPClassifier(hidden_layer_sizes=(48,), max_iter=400, random_state=0)
)
model.fit(train[features], train["digit"])
joblib.dump(model, "model.joblib")
accuracy = accuracy_score(test["digit"], model.predict(test[features]))
with open("metrics.json", "w") as file:
    json.dump({"accuracy": accuracy}, file)
