/// The tables, as literal SQL. A shipped migration never changes; a new one is appended, and `PRAGMA user_version` counts them.
///
/// Tables are named in the singular and belong to the program; the views, in the plural, are for people and are documented in
/// `docs/state.md`. Times are milliseconds since 1970 UTC.
enum Schema {
    /// "nudg" as a number: tells our database from any other.
    static let applicationID: Int32 = 0x6E75_6467

    static let migrations = [
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

        CREATE TABLE customer (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL, anonymous INTEGER NOT NULL,
            first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, locale TEXT, timezone TEXT,
            wake_at INTEGER, judged_by INTEGER NOT NULL,
            traits TEXT, carts TEXT, interests TEXT, subscriptions TEXT, segments TEXT, timers TEXT,
            rolling BLOB, seen BLOB);
        CREATE UNIQUE INDEX customer_by_id ON customer (id, anonymous);
        CREATE INDEX customer_by_wake ON customer (wake_at) WHERE wake_at IS NOT NULL;

        CREATE TABLE link (anonymous_id TEXT PRIMARY KEY, customer INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX link_by_customer ON link (customer);

        CREATE TABLE product (
            product_id TEXT NOT NULL, variant TEXT NOT NULL, facts TEXT NOT NULL, lines TEXT, seen BLOB, wake_at INTEGER,
            PRIMARY KEY (product_id, variant)) WITHOUT ROWID;
        CREATE INDEX product_by_wake ON product (wake_at) WHERE wake_at IS NOT NULL;

        CREATE TABLE follower (
            product_id TEXT NOT NULL, variant TEXT NOT NULL, customer INTEGER NOT NULL, kind TEXT NOT NULL, since INTEGER NOT NULL,
            PRIMARY KEY (product_id, variant, customer, kind)) WITHOUT ROWID;

        CREATE TABLE membership (
            segment TEXT NOT NULL, customer INTEGER NOT NULL, entered_at INTEGER NOT NULL,
            PRIMARY KEY (segment, customer)) WITHOUT ROWID;

        CREATE TABLE message (
            sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, rule TEXT NOT NULL, customer INTEGER NOT NULL, decided_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL, outbox TEXT NOT NULL, file TEXT NOT NULL, state TEXT NOT NULL, json TEXT NOT NULL);
        CREATE INDEX message_open ON message (state) WHERE state IN ('pending', 'staged', 'withdrawing');
        CREATE INDEX message_by_customer ON message (customer);
        CREATE INDEX message_by_file ON message (file);

        CREATE TABLE decision (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL, rule TEXT NOT NULL, customer INTEGER NOT NULL, customer_id TEXT NOT NULL,
            key TEXT NOT NULL, started_at INTEGER NOT NULL, due_at INTEGER NOT NULL, decided_at INTEGER NOT NULL, verdict TEXT NOT NULL,
            cause TEXT NOT NULL);
        CREATE INDEX decision_by_customer ON decision (customer);

        CREATE TABLE source_file (
            number INTEGER PRIMARY KEY, source TEXT NOT NULL, path TEXT NOT NULL, record BLOB NOT NULL, offset INTEGER NOT NULL,
            watermark INTEGER, ended INTEGER NOT NULL);

        CREATE TABLE waiting (number INTEGER PRIMARY KEY, last_order INTEGER NOT NULL, lines BLOB NOT NULL);

        CREATE TABLE dead_letter (
            number INTEGER PRIMARY KEY, source TEXT NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
            reason TEXT NOT NULL, message TEXT NOT NULL, place INTEGER, at INTEGER NOT NULL, head BLOB NOT NULL);

        CREATE VIEW profiles AS
            SELECT number, id, anonymous, first_seen, last_seen, locale, timezone, traits, carts, interests, subscriptions, segments,
                timers AS running FROM customer;
        CREATE VIEW segments AS
            SELECT json_extract(m.value, '$.name') AS segment, c.id AS customer, c.anonymous,
                json_extract(m.value, '$.entered_at') AS entered_at
            FROM customer c, json_each(c.segments) m;
        CREATE VIEW timers AS
            SELECT json_extract(t.value, '$.rule') AS rule, c.id AS customer, c.anonymous, json_extract(t.value, '$.key') AS key,
                json_extract(t.value, '$.phase') AS phase, json_extract(t.value, '$.started_at') AS started_at,
                json_extract(t.value, '$.due') AS due
            FROM customer c, json_each(c.timers) t;
        CREATE VIEW carts AS
            SELECT c.id AS customer, c.anonymous, json_extract(k.value, '$.id') AS cart, json_extract(k.value, '$.touched_at') AS touched_at,
                json_extract(k.value, '$.items') AS items
            FROM customer c, json_each(c.carts) k;
        CREATE VIEW decisions AS
            SELECT number, id, rule, customer_id AS customer, key, started_at, due_at, decided_at, verdict, cause FROM decision;
        CREATE VIEW messages AS
            SELECT sequence, m.id, rule, coalesce(c.id, '') AS customer, decided_at, expires_at, outbox, file, state, json
            FROM message m LEFT JOIN customer c ON c.number = m.customer;
        CREATE VIEW sources AS
            SELECT number, source, path, offset, watermark, ended FROM source_file;
        CREATE VIEW dead_letters AS
            SELECT number, source, file, offset, length, reason, message, at FROM dead_letter;
        """,
        """
        ALTER TABLE message ADD COLUMN channel TEXT;
        ALTER TABLE message ADD COLUMN variant TEXT;
        ALTER TABLE decision ADD COLUMN channel TEXT;
        ALTER TABLE decision ADD COLUMN variant TEXT;
        ALTER TABLE decision ADD COLUMN message TEXT;

        DROP VIEW decisions;
        CREATE VIEW decisions AS
            SELECT number, id, rule, customer_id AS customer, key, started_at, due_at, decided_at, verdict, cause, channel, variant, message
            FROM decision;
        DROP VIEW messages;
        CREATE VIEW messages AS
            SELECT sequence, m.id, rule, coalesce(c.id, '') AS customer, decided_at, expires_at, outbox, file, state, channel, variant, json
            FROM message m LEFT JOIN customer c ON c.number = m.customer;
        """,
        """
        ALTER TABLE message ADD COLUMN retracts INTEGER;
        CREATE INDEX message_retracting ON message (retracts) WHERE retracts IS NOT NULL;
        """,
        """
        CREATE TABLE outcome (
            rule TEXT NOT NULL, variant TEXT NOT NULL, side TEXT NOT NULL, currency TEXT NOT NULL, sent INTEGER NOT NULL,
            converted INTEGER NOT NULL, revenue TEXT NOT NULL, PRIMARY KEY (rule, variant, side, currency)) WITHOUT ROWID;

        CREATE VIEW outcomes AS
            SELECT rule, variant, side, sum(sent) AS sent, sum(converted) AS converted,
                json_group_object(currency, revenue) FILTER (WHERE revenue <> '0') AS revenue
            FROM outcome GROUP BY rule, variant, side;
        """,
        """
        CREATE TABLE tombstone (hash TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE leaving_file (outbox TEXT NOT NULL, file TEXT NOT NULL);
        """,
        totals,
        countedByWriter,
        """
        CREATE TABLE seen_earlier (number INTEGER PRIMARY KEY, customer INTEGER NOT NULL, newest INTEGER NOT NULL, ids BLOB NOT NULL);
        CREATE INDEX seen_earlier_by_customer ON seen_earlier (customer);
        """,
        """
        CREATE TABLE wake (at INTEGER NOT NULL, customer INTEGER NOT NULL, PRIMARY KEY (at, customer)) WITHOUT ROWID;
        INSERT INTO wake SELECT wake_at, number FROM customer WHERE wake_at IS NOT NULL ORDER BY wake_at, number;
        INSERT INTO wake SELECT 9223372036854775807, number FROM customer WHERE timers IS NOT NULL AND wake_at IS NULL ORDER BY number;
        DROP INDEX customer_by_wake;
        DROP INDEX customer_in_line;
        """,
        """
        CREATE TABLE former_customer (
            number INTEGER PRIMARY KEY, customer INTEGER NOT NULL, id TEXT NOT NULL, anonymous INTEGER NOT NULL, at INTEGER NOT NULL);
        CREATE INDEX former_customer_by_id ON former_customer (id, anonymous);
        CREATE INDEX former_customer_by_customer ON former_customer (customer);
        INSERT INTO former_customer (customer, id, anonymous, at)
            SELECT customer, iif(substr(customer_id, 1, 10) = 'anonymous:', substr(customer_id, 11), customer_id),
                substr(customer_id, 1, 10) = 'anonymous:', max(decided_at)
            FROM decision WHERE customer_id <> '' AND customer NOT IN (SELECT number FROM customer)
            GROUP BY customer, customer_id ORDER BY max(decided_at);

        CREATE TABLE leaving_customer (outbox TEXT NOT NULL, hash TEXT NOT NULL, up_to INTEGER NOT NULL);
        """,
    ]
}
