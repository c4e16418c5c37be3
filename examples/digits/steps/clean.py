"""Name the pixels by row and column, and the digit that each picture shows."""

import numpy as np
import pandas as pd

rows = np.loadtxt("data/digits.csv.gz", delimiter=",").astype(int)
names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
pictures = pd.DataFrame(rows[:, :64], columns=names)
pictures["digit"] = rows[:, 64]
pictures.drop_duplicates().to_csv("data/clean.csv", index=False)
