-- Hours that another system measured, before the gateway's own: from files, each told to the regulator. What a file says
-- is kept also when another file has taken its place, as long as its hours are kept: signed recipes name it.

CREATE TABLE imported_file (
    id               INTEGER PRIMARY KEY,
    unit             TEXT NOT NULL,
    source           TEXT NOT NULL,     -- SHA-256 of the file and where its hours were placed; recipes say it
    called           TEXT NOT NULL,     -- what the file calls the unit
    first_ms         INTEGER NOT NULL,
    end_ms           INTEGER NOT NULL CHECK (end_ms > first_ms),
    operating        INTEGER NOT NULL,  -- hours in which the unit ran
    quality_assured  INTEGER NOT NULL,  -- those of them whose mass was measured
    imported_ms      INTEGER NOT NULL,
    said             TEXT NOT NULL,     -- what the regulator is told
    is_told          INTEGER NOT NULL CHECK (is_told IN (0, 1)),    -- the event is signed and durable
    is_replaced      INTEGER NOT NULL CHECK (is_replaced IN (0, 1)) -- nothing looks back to it any more
) STRICT;

CREATE TABLE imported_hour (
    file              INTEGER NOT NULL REFERENCES imported_file (id),
    start_ms          INTEGER NOT NULL,
    operating_percent INTEGER NOT NULL CHECK (operating_percent BETWEEN 0 AND 100),
    nox_g             INTEGER,          -- as measured; null without a valid measurement
    energy_wh         INTEGER NOT NULL,
    is_load_known     INTEGER NOT NULL CHECK (is_load_known IN (0, 1)),
    quality_assured   INTEGER NOT NULL CHECK (quality_assured IN (0, 1)),
    PRIMARY KEY (file, start_ms),
    CHECK (quality_assured = 0 OR nox_g IS NOT NULL)
) STRICT, WITHOUT ROWID;
