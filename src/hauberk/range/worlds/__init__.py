"""Worlds that interactive attacks play in: in memory or on loopback, never further."""
