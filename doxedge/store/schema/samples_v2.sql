-- Samples of one device, packed together as they came (`sample_blocks`): one row of a page is written for many samples.
-- What earlier versions wrote stays in `sample`, is read from there, and ends with its retention.

CREATE TABLE block (
    id           INTEGER PRIMARY KEY, -- of its first sample, in the form of sample.id
    last_id      INTEGER NOT NULL,    -- of its last sample, at most a minute later
    device_id    INTEGER NOT NULL REFERENCES device (id),
    revision     INTEGER NOT NULL,    -- the first revision of its hour's root that contains these samples
    samples      INTEGER NOT NULL,
    packed       BLOB NOT NULL
) STRICT;
