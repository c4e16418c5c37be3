"""Controls, by what they look at: one file per defect, found by path."""
