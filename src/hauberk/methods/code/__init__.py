"""Rules over code and settings: readers that give hits, shared by the controls of code."""
