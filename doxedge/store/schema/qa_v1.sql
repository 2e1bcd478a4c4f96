-- Quality assurance of a gateway's monitors: every check, every test that was entered, every change of standing.
-- Nothing here is ever changed or deleted.

CREATE TABLE entry (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL CHECK (kind IN ('begun', 'check', 'hour', 'standing', 'test', 'chart')),
    begun        INTEGER REFERENCES entry (id),  -- of a check: the entry with which it began
    unit         TEXT NOT NULL,
    quantity     TEXT NOT NULL,
    at_ms        INTEGER NOT NULL,    -- when it happened
    body         TEXT NOT NULL,  -- JSON, what was measured as decimal strings
    UNIQUE (begun),                   -- a check ends once
    CHECK ((begun IS NOT NULL) = (kind = 'check'))
) STRICT;

-- What a restart takes up: the newest of a kind for each monitor.
CREATE INDEX entry_monitor ON entry (unit, quantity, kind, id);

CREATE TRIGGER entry_stands BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry about quality assurance is never changed'); END;

CREATE TRIGGER entry_stays BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry about quality assurance is never deleted'); END;
