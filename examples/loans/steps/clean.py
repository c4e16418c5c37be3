"""Clean the mortgage applications: pick columns, name groups, drop incomplete rows."""

import pandas as pd

FEATURES = [
    "loanamt", "appinc", "hrat", "obrat", "loanprc", "unem", "dep", "sch", "self",
    "cosign", "chist", "pubrec", "mortlat1", "mortlat2", "vr", "term", "gift", "multi", "unver",
    "gdlin", "cons", "fixadj",
]  # fmt: skip

raw = pd.read_csv("data/loanapp.csv.bz2")
raw["race"] = "white"
raw.loc[raw["black"] == 1, "race"] = "black"
raw.loc[raw["hispan"] == 1, "race"] = "hispanic"
raw["sex"] = raw["male"].map({1: "male", 0: "female"})
clean = raw[raw["gdlin"] < 2]  # two applications carry a code for "unknown"
clean = clean[[*FEATURES, "race", "sex", "approve"]].dropna()
clean.to_csv("data/clean.csv", index=False)
print(f"{len(clean)} of {len(raw)} applications are complete")
