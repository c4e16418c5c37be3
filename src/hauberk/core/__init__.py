"""The nouns. Standard library only; no input or output."""
