-- Where names stand (`name_rows`), written in long stretches: a table in the order of hashes is written everywhere at
-- once, and the more so the longer the channel lives. What earlier versions wrote stays in `name` and is read from there.

-- Of the newest blocks, as they came.
CREATE TABLE name_young (
    height       INTEGER PRIMARY KEY,
    records      BLOB NOT NULL,       -- of each transaction how many: two bytes each, big endian
    prefixes     BLOB NOT NULL        -- of each transaction 8 bytes of tx_id, of wire_id, and of each record id
) STRICT;

-- Names of many blocks together, in 256 pages by their first byte.
CREATE TABLE name_run (
    id           INTEGER PRIMARY KEY,
    last_height  INTEGER NOT NULL,
    names        INTEGER NOT NULL
) STRICT;

CREATE TABLE name_page (
    id           INTEGER PRIMARY KEY, -- run * 256 + first byte
    names        BLOB NOT NULL        -- 16 bytes each: 8 of the name, 5 of the height, 2 of the position, 1 of the record
) STRICT;
