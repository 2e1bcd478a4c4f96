-- What went wrong at a gateway, when it was over, and who has seen it. Nothing here is ever changed or deleted.

CREATE TABLE entry (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm        INTEGER,             -- the entry that raised it; null in that entry itself
    change       TEXT NOT NULL CHECK (change IN ('raised', 'cleared', 'acknowledged')),
    code         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    at_ms        INTEGER NOT NULL,
    text         TEXT NOT NULL,       -- what was seen; of an acknowledgement, its reason
    name         TEXT NOT NULL,       -- of the person who acknowledged, else empty
    user         TEXT NOT NULL,       -- the account from which it was said, else empty
    UNIQUE (alarm, change),           -- an alarm is over once, and acknowledged once
    CHECK ((alarm IS NULL) = (change = 'raised')),
    CHECK ((change = 'acknowledged') = (name <> ''))
) STRICT;

-- One condition of one subject has one alarm at a time: found by these.
CREATE INDEX entry_subject ON entry (code, subject) WHERE change = 'raised';

CREATE TRIGGER entry_stands BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry about an alarm is never changed'); END;

CREATE TRIGGER entry_stays BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry about an alarm is never deleted'); END;
