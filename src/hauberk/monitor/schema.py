"""The tables of the monitor's store, as sqlite is told them."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = (
    "CREATE TABLE models (name TEXT PRIMARY KEY, grid BLOB NOT NULL, facts TEXT NOT NULL)",
    (
        "CREATE TABLE hours (model TEXT NOT NULL, hour INTEGER NOT NULL, replica TEXT NOT NULL, "
        "body BLOB NOT NULL, PRIMARY KEY (model, hour, replica)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE sums (model TEXT NOT NULL, span INTEGER NOT NULL, hour INTEGER NOT NULL, "
        "rows INTEGER NOT NULL, requests INTEGER NOT NULL, refused INTEGER NOT NULL, "
        "latency REAL, confidence REAL, accuracy REAL, estimate REAL, "
        "predicted TEXT NOT NULL, shapes BLOB NOT NULL, "
        "PRIMARY KEY (model, span, hour)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE dirty (model TEXT NOT NULL, hour INTEGER NOT NULL, "
        "PRIMARY KEY (model, hour)) WITHOUT ROWID"
    ),
    "CREATE TABLE places (source TEXT PRIMARY KEY, position TEXT NOT NULL)",
    (
        "CREATE TABLE decisions (number INTEGER NOT NULL, log TEXT NOT NULL, at REAL NOT NULL, "
        "model TEXT NOT NULL, principal TEXT NOT NULL, action TEXT NOT NULL, rule TEXT NOT NULL, "
        "status INTEGER NOT NULL, rows INTEGER NOT NULL, shadow TEXT NOT NULL, "
        "PRIMARY KEY (log, number)) WITHOUT ROWID"
    ),
    "CREATE INDEX decisions_by_time ON decisions (at)",
    "CREATE INDEX decisions_by_principal ON decisions (principal, at)",
    (
        "CREATE TABLE alerts (id INTEGER PRIMARY KEY, at REAL NOT NULL, cause TEXT NOT NULL, "
        "asset TEXT NOT NULL, severity TEXT NOT NULL, body TEXT NOT NULL)"
    ),
    "CREATE INDEX alerts_by_time ON alerts (at)",
    "CREATE TABLE silences (id INTEGER PRIMARY KEY, body TEXT NOT NULL, until REAL NOT NULL)",
    (
        "CREATE TABLE ledgers (replica TEXT PRIMARY KEY, highest INTEGER NOT NULL, "
        "missing TEXT NOT NULL, seen REAL NOT NULL)"
    ),
    (
        "CREATE TABLE waiting (model TEXT NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL, "
        "said TEXT NOT NULL, is_label INTEGER NOT NULL, "
        "PRIMARY KEY (model, id, is_label)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE sources (model TEXT NOT NULL, day INTEGER NOT NULL, source TEXT NOT NULL, "
        "rows INTEGER NOT NULL, body BLOB NOT NULL, "
        "PRIMARY KEY (model, day, source)) WITHOUT ROWID"
    ),
    "CREATE TABLE states (name TEXT PRIMARY KEY, body BLOB NOT NULL)",
)
