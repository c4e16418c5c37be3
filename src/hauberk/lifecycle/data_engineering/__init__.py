"""Data engineering: acquire, preprocess, analyse, prepare."""
