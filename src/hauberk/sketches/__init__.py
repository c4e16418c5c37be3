"""Mergeable summaries of data in integers: equal bytes however the rows were cut."""
