-- Raw samples, kept so that every hour on the ledger can be computed again.

CREATE TABLE device (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE
) STRICT;

-- Sorted by time without a second index: id = at_ms * 2^20 + order of arrival within the millisecond.
CREATE TABLE sample (
    id           INTEGER PRIMARY KEY,
    device_id    INTEGER NOT NULL REFERENCES device (id),
    revision     INTEGER NOT NULL,    -- the first revision of its hour's root that contains it
    raw          BLOB NOT NULL
) STRICT;

CREATE TABLE hour_root (
    unit         TEXT NOT NULL,
    start_ms     INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    devices      BLOB NOT NULL,       -- canonical array of their names
    samples      INTEGER NOT NULL,
    root         BLOB NOT NULL,
    PRIMARY KEY (start_ms, unit, revision)
) STRICT, WITHOUT ROWID;

-- Tombstones: what was deleted, and why: retention, budget or disk.
CREATE TABLE dropped (
    id           INTEGER PRIMARY KEY,
    from_ms      INTEGER NOT NULL,
    to_ms        INTEGER NOT NULL,
    samples      INTEGER NOT NULL,
    cause        TEXT NOT NULL,
    dropped_ms   INTEGER NOT NULL
) STRICT;
