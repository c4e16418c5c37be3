"""The lifecycle: three floors, sixteen rooms, one run.

A room says what its component takes, does and makes, and which controls stand at its
doors; it holds no detection logic. Rooms are found by path: ``<floor>/<component>.py``.
"""
