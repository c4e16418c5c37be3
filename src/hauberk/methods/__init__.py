"""Techniques that several controls and attacks share: each a signature, a law, a plain version."""
