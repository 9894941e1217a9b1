-- What a digest holds is asked for again: there is more to know of it now.
DROP TABLE image;

CREATE TABLE image (
    name          TEXT NOT NULL,
    digest        TEXT NOT NULL,
    kind          TEXT NOT NULL,
    media_type    TEXT,
    manifests     TEXT NOT NULL, -- JSON: [{os, architecture, variant, digest}]
    version       TEXT,
    created       TEXT,
    size_bytes    INTEGER,
    end_of_life   TEXT, -- a day
    configuration TEXT, -- JSON
    PRIMARY KEY (name, digest)
) STRICT, WITHOUT ROWID;

-- What the manifest of one platform is made of.
CREATE TABLE content (
    name   TEXT NOT NULL,
    digest TEXT NOT NULL,
    config TEXT NOT NULL,
    layers TEXT NOT NULL, -- JSON: digests, from the lowest up
    PRIMARY KEY (name, digest)
) STRICT, WITHOUT ROWID;

-- Since when a pin has a digest that its tag may never have been seen at. Of the rows that are there nothing more is
-- known than that they were there in the last look.
ALTER TABLE pinned ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

UPDATE pinned
SET since = coalesce((SELECT max(last_seen) FROM sighting WHERE image = pinned.image AND tag = pinned.tag), 0);

-- The tags of images for which `follow` needed them, in the last list.
CREATE TABLE tag_list (
    image TEXT PRIMARY KEY,
    at    INTEGER NOT NULL,
    tags  TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

-- Pinned digests that their registry did not have, until it has them again.
CREATE TABLE missing (
    image  TEXT NOT NULL, -- as it is written in files
    digest TEXT NOT NULL,
    since  INTEGER NOT NULL,
    looks  INTEGER NOT NULL,
    PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;

-- When registries were last asked for pinned digests and did not say that they lack them; of the last day.
CREATE TABLE not_missing (
    image  TEXT NOT NULL, -- as it is written in files
    digest TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;

-- Digests that people took back; `allowed` is when one was allowed again.
CREATE TABLE denial (
    id        INTEGER PRIMARY KEY,
    image     TEXT NOT NULL,
    tag       TEXT,
    digest    TEXT NOT NULL,
    to_digest TEXT,
    reason    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    allowed   INTEGER
) STRICT;

-- Which digests the pins of a repository had on its base branch, and when.
CREATE TABLE adoption (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    image      TEXT NOT NULL, -- as a registry is asked for it
    tag        TEXT NOT NULL,
    digest     TEXT NOT NULL, -- empty: the pin has none yet, and shall get one
    since      INTEGER NOT NULL,
    until      INTEGER, -- absent: it is there
    PRIMARY KEY (forge, repository, image, tag, digest, since)
) STRICT, WITHOUT ROWID;

CREATE INDEX adoption_tag ON adoption (image, tag);

-- Where the pins of a repository are on their way to: in a pull request, or once what they wait for is over.
CREATE TABLE sought (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    image      TEXT NOT NULL, -- as a registry is asked for it
    tag        TEXT NOT NULL, -- that they get
    digest     TEXT NOT NULL,
    left_tag   TEXT NOT NULL, -- that they leave for it; empty: they have it
    PRIMARY KEY (forge, repository, image, tag, digest, left_tag)
) STRICT, WITHOUT ROWID;

-- How the pipelines of a repository's base branch stand.
CREATE TABLE base_pipeline (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    state      TEXT NOT NULL, -- green, without, pending, failed
    since      INTEGER NOT NULL,
    seen       INTEGER, -- green, without: the last look in which it was
    PRIMARY KEY (forge, repository)
) STRICT, WITHOUT ROWID;

-- Whether the repositories of forges were listed as a whole.
CREATE TABLE listed (
    forge   TEXT PRIMARY KEY,
    at      INTEGER, -- when that was done last; absent: never
    problem TEXT -- why not the last time; absent: it was
) STRICT, WITHOUT ROWID;

-- When it was last looked through for what nobody needs any more, or begun anew by another clock: at most one row.
CREATE TABLE forgot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 3;
