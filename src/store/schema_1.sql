-- Times are microseconds since 1970; `created` is RFC 3339, because it must come back exactly.
CREATE TABLE scan (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    branch     TEXT NOT NULL,
    head       TEXT NOT NULL,
    selector   TEXT NOT NULL,
    files      TEXT NOT NULL, -- JSON: [{path, mode, blob}]
    left_out   TEXT NOT NULL, -- JSON: [[path, reason]]
    PRIMARY KEY (forge, repository, branch)
) STRICT, WITHOUT ROWID;

CREATE TABLE sighting (
    image      TEXT NOT NULL,
    tag        TEXT NOT NULL,
    digest     TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (image, tag, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE image (
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    platforms  TEXT NOT NULL, -- JSON: [{os, architecture, variant}]
    version    TEXT,
    created    TEXT,
    size_bytes INTEGER,
    PRIMARY KEY (name, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE opened (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

CREATE INDEX opened_at ON opened (at);

PRAGMA user_version = 1;
