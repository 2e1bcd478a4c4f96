-- What was measured and signed and is not yet final on its ledger.

CREATE TABLE source (
    id           INTEGER PRIMARY KEY,
    channel      BLOB NOT NULL,
    source       BLOB NOT NULL,
    seq          INTEGER NOT NULL,    -- of its last record
    prev         BLOB NOT NULL,       -- record id of its last record
    anchor_seq   INTEGER NOT NULL,    -- the entries that are kept begin after this one
    anchor_prev  BLOB NOT NULL,
    UNIQUE (channel, source)
) STRICT;

-- What showed that records are final: one proof serves all records that were in one batch.
CREATE TABLE proof (
    id           INTEGER PRIMARY KEY,
    data         BLOB NOT NULL
) STRICT;

CREATE TABLE entry (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id    INTEGER NOT NULL REFERENCES source (id),
    seq          INTEGER NOT NULL,
    record_id    BLOB NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    key          TEXT NOT NULL,       -- the same statement made twice has the same key
    state        INTEGER NOT NULL,    -- 0 pending, 1 closed, 2 refused at admission
    stored_ms    INTEGER NOT NULL,
    closed_ms    INTEGER,
    outcome      INTEGER,             -- of the receipt: 0 accepted, 1 refused, 2 inadmissible
    clause       TEXT,
    reason       TEXT,
    proof_id     INTEGER REFERENCES proof (id),
    envelope     BLOB NOT NULL,       -- the long column last: counting does not read it
    UNIQUE (source_id, seq),
    UNIQUE (source_id, key)
) STRICT;

-- The cursor of the poster: a backlog of any length is read at the same speed.
CREATE INDEX entry_pending ON entry (source_id, seq) WHERE state = 0;

-- Whether a proof is still needed.
CREATE INDEX entry_proof ON entry (proof_id) WHERE proof_id IS NOT NULL;

-- Numbers that are not in this file: used before it was lost, or lost with it.
CREATE TABLE gap (
    source_id    INTEGER NOT NULL REFERENCES source (id),
    after_seq    INTEGER NOT NULL,
    to_seq       INTEGER NOT NULL,
    to_prev      BLOB NOT NULL,
    noticed_ms   INTEGER NOT NULL,
    PRIMARY KEY (source_id, after_seq)
) STRICT, WITHOUT ROWID;
