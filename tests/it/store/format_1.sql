-- A store as refrom made it in its first format, with a row in each table.
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

INSERT INTO scan VALUES ('github', 'acme/web', 'main', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'v1',
    '[{"path":"a b/Dockerfileü","mode":33261,"blob":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]', '[["big","larger than 1 MiB"]]');
INSERT INTO sighting VALUES ('dhi.io/nginx', '1', 'sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed', 1795161600000000, 1795161600000000);
INSERT INTO image VALUES ('dhi.io/nginx', 'sha256:a18b869b2e81c0c529552a3c4fa5c92ed08b98a4e146aed778d71d27517f83ac', 'index',
    '[{"os":"linux","architecture":"arm","variant":null},{"os":"linux","architecture":"arm","variant":"v7"}]',
    '1.27.3', '2026-11-19T01:02:03.456789012Z', 12345);
INSERT INTO opened VALUES ('github', 'acme/web', 1795161600000000);

PRAGMA user_version = 1;
