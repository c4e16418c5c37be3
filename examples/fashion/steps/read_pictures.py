"""One row per photograph: the means of 2x2 pixels, and what it shows."""

import csv
import gzip

import numpy as np

N_ROWS = 5000  # the first of 10,000, enough for a small network
with gzip.open("data/images.gz") as file:
    pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:N_ROWS]
with gzip.open("data/labels.gz") as file:
    garments = np.frombuffer(file.read(), np.uint8, offset=8)[:N_ROWS]
halved = pixels.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).round().astype(int).reshape(-1, 196)
names = [f"pixel_{row}_{column}" for row in range(14) for column in range(14)]
with open("data/clothes.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow([*names, "garment"])
    writer.writerows([*row, garment] for row, garment in zip(halved, garments, strict=True))
