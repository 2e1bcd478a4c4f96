-- What is known of the hours of every unit, for three years: what rules for missing data look back to.

CREATE TABLE unit (
    unit              TEXT PRIMARY KEY,
    began_ms          INTEGER NOT NULL   -- the first hour ever known, also after it was let go
) STRICT, WITHOUT ROWID;

CREATE TABLE hour (
    unit              TEXT NOT NULL REFERENCES unit (unit),
    start_ms          INTEGER NOT NULL,
    operating_percent INTEGER NOT NULL CHECK (operating_percent BETWEEN 0 AND 100),
    nox_g             INTEGER,           -- as measured; null without a valid measurement
    energy_wh         INTEGER NOT NULL,
    is_load_known     INTEGER NOT NULL CHECK (is_load_known IN (0, 1)), -- the energy is this hour's alone, and all of it
    method_code       TEXT NOT NULL,     -- of the measurement; empty without
    quality_assured   INTEGER NOT NULL CHECK (quality_assured IN (0, 1)),
    minutes_valid     INTEGER NOT NULL,
    remarks           TEXT NOT NULL,     -- of a missing hour, one a line
    is_open           INTEGER NOT NULL CHECK (is_open IN (0, 1)), -- a substitute is owed, or may have to be revised
    statements        INTEGER NOT NULL,  -- substitutes that are signed for the hour
    stated_g          INTEGER,           -- of the last of them; null when a measurement was signed since, or none is
    stated_code       TEXT,
    stated_recipe     BLOB,              -- canonical CBOR
    first_record      BLOB,              -- record id of the hour's first `hour`, which revisions name
    PRIMARY KEY (unit, start_ms),
    CHECK (quality_assured = 0 OR nox_g IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX hour_open ON hour (unit, start_ms) WHERE is_open = 1;
