-- One channel: its genesis, its final blocks, the state after the last of them, and what its node must not forget.

CREATE TABLE fact (
    name  TEXT NOT NULL PRIMARY KEY,  -- channel, genesis, history
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Small rows that always stay, so that a header or a certificate is read without its body.
CREATE TABLE block (
    height       INTEGER PRIMARY KEY,
    block_id     BLOB NOT NULL,
    header       BLOB NOT NULL,
    certificate  BLOB,                -- NULL: final through a descendant
    body_bytes   INTEGER NOT NULL     -- transactions and receipts together, also after they were pruned
) STRICT;

-- Each a sequence of byte strings, every one behind its length in four bytes, big endian.
CREATE TABLE body (
    height       INTEGER PRIMARY KEY,
    transactions BLOB NOT NULL,
    receipts     BLOB NOT NULL
) STRICT;

-- Where a transaction or a record stands. Eight bytes of its name suffice to look, the stored bytes decide.
CREATE TABLE name (
    prefix       INTEGER NOT NULL,    -- the first 8 bytes, signed, big endian
    height       INTEGER NOT NULL,
    position     INTEGER NOT NULL,    -- of the transaction in the block
    record       INTEGER NOT NULL,    -- -1 wire_id, -2 tx_id, else the number of the record in the transaction
    PRIMARY KEY (prefix, height, position, record)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
    room         TEXT NOT NULL,
    key          BLOB NOT NULL,
    value        BLOB NOT NULL,
    checksum     BLOB NOT NULL,       -- tells which row was changed; that one was, the certified root tells
    PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE cosignature (
    height       INTEGER NOT NULL,
    key_id       BLOB NOT NULL,
    data         BLOB NOT NULL,
    PRIMARY KEY (height, key_id)
) STRICT, WITHOUT ROWID;

-- Accepted from members, not yet in a final block.
CREATE TABLE pool (
    number       INTEGER PRIMARY KEY,
    wire_id      BLOB NOT NULL UNIQUE,
    raw          BLOB NOT NULL
) STRICT;

-- The consensus engine's own records: votes, certificates, proposals, floor.
CREATE TABLE journal (
    key          BLOB NOT NULL PRIMARY KEY,
    value        BLOB NOT NULL
) STRICT, WITHOUT ROWID;
