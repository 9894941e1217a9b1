-- When a repository was last proposed to, or could have been: what its schedule counts from.
CREATE TABLE turn (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (forge, repository)
) STRICT, WITHOUT ROWID;

-- Since when a repository's turn is tried, because something in it could not be looked up or done.
CREATE TABLE unfinished_turn (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (forge, repository)
) STRICT, WITHOUT ROWID;

-- Digests that pins had when their tag was last asked for: a pin at another one may be newer than that look.
CREATE TABLE pinned (
    image  TEXT NOT NULL,
    tag    TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (image, tag, digest)
) STRICT, WITHOUT ROWID;

-- Tags that did not answer when they were last asked for: their last sighting does not stand for an answer.
CREATE TABLE unanswered (
    image TEXT NOT NULL,
    tag   TEXT NOT NULL,
    PRIMARY KEY (image, tag)
) STRICT, WITHOUT ROWID;

-- What was last known of a repository, for the status page and `refrom status`.
CREATE TABLE status (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    status     TEXT NOT NULL, -- JSON
    PRIMARY KEY (forge, repository)
) STRICT, WITHOUT ROWID;

-- The last cycle over the whole fleet: at most one row.
CREATE TABLE cycle (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    cycle TEXT NOT NULL -- JSON
) STRICT;

-- Pull requests with what the mean time to patch is made of.
CREATE TABLE pull_request (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    number     INTEGER NOT NULL,
    branch     TEXT NOT NULL,
    first_seen INTEGER NOT NULL, -- of the oldest digest that it was opened with
    opened     INTEGER NOT NULL,
    merged     INTEGER,
    closed     INTEGER, -- without merging; at most one of the two
    PRIMARY KEY (forge, repository, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX pull_request_open ON pull_request (forge, repository) WHERE merged IS NULL AND closed IS NULL;

-- The head for which the forge was last told to merge by itself: a person who takes that back is not overruled.
CREATE TABLE auto_merge (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    number     INTEGER NOT NULL,
    head       TEXT NOT NULL,
    PRIMARY KEY (forge, repository, number)
) STRICT, WITHOUT ROWID;

-- Branches whose pull request is being opened: what is left of it was opened without its labels and people.
CREATE TABLE opening (
    forge      TEXT NOT NULL,
    repository TEXT NOT NULL,
    branch     TEXT NOT NULL,
    PRIMARY KEY (forge, repository, branch)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
