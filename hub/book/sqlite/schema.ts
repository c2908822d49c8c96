import type { DatabaseSchema } from "../../database/open.ts";

/**
 * 1. audit: append-only, but for step 3. An insertion that gives the number of an entry that is there would replace it without
 *    its trigger of deletion, so that has a trigger of its own. Limits of texts are those of hub/desk.ts.
 *
 * 2. Accounts, tokens, hosts and nodes. Limits of texts and lists are those of column.ts, hashes are SHA-256, numbers of rows
 *    are never given again. The index audit_kind is on the part of an action before the dot.
 *
 * 3. node.history. Nothing says whether the history of a machine that already waits is its own: it counts as another's.
 *    Refused attempts may be deleted, the oldest first: nobody can fill the disk with them.
 *
 * 4. node.way. Before, every machine that reports by itself had a token.
 *
 * 5. draft: entries of actions that are not complete, which are not in the audit log yet.
 *
 * 6. node.interval_ms, and how far the clock of a node is ahead: else its first reports after a start of the hub would be old.
 *
 * 7. Accounts of people who sign in elsewhere; by what a session began, and in which browser.
 */
const steps = [
  `CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    details TEXT NOT NULL CHECK (json_type(details) = 'object'),
    result TEXT NOT NULL CHECK (result IN ('done', 'refused'))
  ) STRICT;
  CREATE TRIGGER audit_insert BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit entries are never replaced'); END;
  CREATE TRIGGER audit_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
  CREATE TRIGGER audit_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END;`,
  `CREATE INDEX audit_actor ON audit (actor);
  CREATE INDEX audit_action ON audit (action);
  CREATE INDEX audit_target ON audit (target);
  CREATE INDEX audit_kind ON audit (substr(action, 1, instr(action || '.', '.') - 1));

  CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'viewer')),
    password TEXT CHECK (octet_length(password) BETWEEN 1 AND 1024),
    created INTEGER NOT NULL,
    used INTEGER
  ) STRICT;

  CREATE TABLE session (
    hash BLOB PRIMARY KEY CHECK (octet_length(hash) = 32),
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    origin TEXT NOT NULL CHECK (octet_length(origin) BETWEEN 1 AND 1024)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX session_account ON session (account, expires, created);
  CREATE INDEX session_created ON session (created);
  CREATE INDEX session_expires ON session (expires);

  CREATE TABLE link (
    hash BLOB PRIMARY KEY CHECK (octet_length(hash) = 32),
    name TEXT NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    key TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('administrator', 'viewer')),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX link_key ON link (key);

  CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    name TEXT NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 1024),
    scope TEXT NOT NULL CHECK (scope IN ('read', 'push', 'admin', 'enroll')),
    created INTEGER NOT NULL,
    creator TEXT NOT NULL CHECK (octet_length(creator) BETWEEN 1 AND 1024),
    expires INTEGER,
    used INTEGER
  ) STRICT;

  CREATE TABLE host (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 1024),
    shown TEXT UNIQUE CHECK (octet_length(shown) BETWEEN 1 AND 1024),
    "group" TEXT CHECK (octet_length("group") BETWEEN 1 AND 1024),
    labels TEXT NOT NULL CHECK (json_type(labels) = 'object'),
    config TEXT NOT NULL CHECK (json_type(config) = 'object'),
    config_version INTEGER NOT NULL CHECK (config_version >= 0),
    address TEXT CHECK (octet_length(address) BETWEEN 1 AND 1024),
    parted INTEGER NOT NULL CHECK (parted IN (0, 1))
  ) STRICT;

  CREATE TABLE node (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token BLOB UNIQUE CHECK (octet_length(token) = 32),
    hostname TEXT NOT NULL UNIQUE CHECK (octet_length(hostname) BETWEEN 1 AND 1024),
    host TEXT NOT NULL CHECK (octet_length(host) BETWEEN 1 AND 1024),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'approved')),
    reset INTEGER NOT NULL CHECK (reset IN (0, 1)),
    registered INTEGER NOT NULL,
    origin TEXT NOT NULL CHECK (octet_length(origin) BETWEEN 1 AND 1024),
    capabilities TEXT NOT NULL CHECK (json_type(capabilities) = 'object'),
    used INTEGER,
    used_from TEXT CHECK (octet_length(used_from) BETWEEN 1 AND 1024),
    taken_version INTEGER,
    taken_time INTEGER,
    CHECK ((taken_version IS NULL) = (taken_time IS NULL))
  ) STRICT;
  CREATE INDEX node_host ON node (host);`,
  `ALTER TABLE node ADD COLUMN history INTEGER;
  UPDATE node SET history = registered WHERE state = 'waiting';

  DROP TRIGGER audit_delete;
  CREATE TRIGGER audit_delete BEFORE DELETE ON audit WHEN OLD.result <> 'refused'
    BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted, but for refusals'); END;
  CREATE INDEX audit_refused ON audit (time) WHERE result = 'refused';`,
  `ALTER TABLE node ADD COLUMN way TEXT NOT NULL DEFAULT 'portal' CHECK (way IN ('portal', 'logger'));`,
  `CREATE TABLE draft (
    key TEXT PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 1024),
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    details TEXT NOT NULL CHECK (json_type(details) = 'object'),
    result TEXT NOT NULL CHECK (result IN ('done', 'refused'))
  ) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE node ADD COLUMN interval_ms INTEGER;
  ALTER TABLE node ADD COLUMN ahead_ms INTEGER;
  ALTER TABLE node ADD COLUMN ahead_zone TEXT CHECK (octet_length(ahead_zone) BETWEEN 1 AND 1024);`,
  `ALTER TABLE account ADD COLUMN issuer TEXT CHECK (octet_length(issuer) BETWEEN 1 AND 1024);
  ALTER TABLE account ADD COLUMN subject TEXT CHECK ((subject IS NULL) = (issuer IS NULL) AND octet_length(subject) BETWEEN 1 AND 1024);
  CREATE UNIQUE INDEX account_external ON account (issuer, subject) WHERE issuer IS NOT NULL;
  ALTER TABLE session ADD COLUMN way TEXT NOT NULL DEFAULT 'password' CHECK (way IN ('password', 'link', 'oidc'));
  ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '' CHECK (octet_length(agent) <= 1024);`,
];

/** Form of gohm.db. */
export const bookSchema: DatabaseSchema = {
  noun: "administration database",
  // "GOHB" in ASCII.
  application: 0x474f4842,
  newest: steps.length,
  steps,
};
