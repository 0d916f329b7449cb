extension Schema {
    /// What `status` and `report` show without a look at every row: how many there are of everything, and what went through by the hour.
    ///
    /// Besides, decisions tell which events started what they ended.
    ///
    /// Rows that come one by one are counted by triggers, whoever writes or deletes them; customers, running instances and members, of which a batch
    /// may change many thousands, by the writer itself (and since `countedByWriter` new messages and decisions too).
    static let totals = """
        CREATE TABLE total (name TEXT NOT NULL, part TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, part)) WITHOUT ROWID;
        CREATE TABLE hour (
            at INTEGER NOT NULL, series TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
            PRIMARY KEY (at, series, name)) WITHOUT ROWID;

        INSERT INTO total SELECT 'customers', '', count(*) FROM customer;
        INSERT INTO total
            SELECT 'running', '', coalesce(sum(json_array_length(timers)), 0) FROM customer WHERE timers IS NOT NULL;
        INSERT INTO total SELECT 'members', segment, count(*) FROM membership GROUP BY segment;
        INSERT INTO total SELECT 'messages', state, count(*) FROM message GROUP BY state;
        INSERT INTO total SELECT 'decisions', verdict, count(*) FROM decision GROUP BY verdict;
        INSERT INTO total SELECT 'dead_letters', reason, count(*) FROM dead_letter GROUP BY reason;

        CREATE TRIGGER message_inserted AFTER INSERT ON message BEGIN
            INSERT INTO total VALUES ('messages', NEW.state, 1) ON CONFLICT DO UPDATE SET value = value + 1;
        END;
        CREATE TRIGGER message_updated AFTER UPDATE OF state ON message WHEN OLD.state <> NEW.state BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'messages' AND part = OLD.state;
            INSERT INTO total VALUES ('messages', NEW.state, 1) ON CONFLICT DO UPDATE SET value = value + 1;
        END;
        CREATE TRIGGER message_deleted AFTER DELETE ON message BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'messages' AND part = OLD.state;
        END;
        CREATE TRIGGER decision_inserted AFTER INSERT ON decision BEGIN
            INSERT INTO total VALUES ('decisions', NEW.verdict, 1) ON CONFLICT DO UPDATE SET value = value + 1;
        END;
        CREATE TRIGGER decision_updated AFTER UPDATE OF verdict ON decision WHEN OLD.verdict <> NEW.verdict BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'decisions' AND part = OLD.verdict;
            INSERT INTO total VALUES ('decisions', NEW.verdict, 1) ON CONFLICT DO UPDATE SET value = value + 1;
        END;
        CREATE TRIGGER decision_deleted AFTER DELETE ON decision BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'decisions' AND part = OLD.verdict;
        END;
        CREATE TRIGGER dead_letter_inserted AFTER INSERT ON dead_letter BEGIN
            INSERT INTO total VALUES ('dead_letters', NEW.reason, 1) ON CONFLICT DO UPDATE SET value = value + 1;
        END;
        CREATE TRIGGER dead_letter_updated AFTER UPDATE OF reason ON dead_letter WHEN OLD.reason <> NEW.reason BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'dead_letters' AND part = OLD.reason;
            INSERT INTO total VALUES ('dead_letters', NEW.reason, 1) ON CONFLICT DO UPDATE SET value = value + 1;
        END;
        CREATE TRIGGER dead_letter_deleted AFTER DELETE ON dead_letter BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'dead_letters' AND part = OLD.reason;
        END;

        CREATE INDEX customer_in_line ON customer (number) WHERE timers IS NOT NULL AND wake_at IS NULL;

        ALTER TABLE decision ADD COLUMN because TEXT;
        DROP VIEW decisions;
        CREATE VIEW decisions AS
            SELECT number, id, rule, customer_id AS customer, key, started_at, due_at, decided_at, verdict, cause, channel, variant, because,
                message
            FROM decision;

        CREATE VIEW totals AS SELECT name, part, value FROM total WHERE value > 0;
        CREATE VIEW hours AS SELECT at, series, name, value FROM hour;
        """

    /// A statement that a trigger may make fail half-way keeps a copy of every page it changes: of thousands of messages and decisions in a batch
    /// that was most of what a commit cost. Those that are new, and messages that are published, are counted by the writer; the other changes,
    /// which are rare, stay with the triggers. And `IN` in an index's condition makes a table of its own for each row that is written, and is used by
    /// no query for one state.
    static let countedByWriter = """
        DROP TRIGGER message_inserted;
        DROP TRIGGER decision_inserted;
        DROP TRIGGER message_updated;
        INSERT OR IGNORE INTO total SELECT 'messages', column1, 0 FROM (
            VALUES ('pending'), ('staged'), ('published'), ('stale'), ('withdrawing'), ('withdrawn'));
        CREATE TRIGGER message_updated AFTER UPDATE OF state ON message
            WHEN OLD.state <> NEW.state AND NOT (OLD.state = 'staged' AND NEW.state = 'published')
        BEGIN
            UPDATE total SET value = value - 1 WHERE name = 'messages' AND part = OLD.state;
            UPDATE total SET value = value + 1 WHERE name = 'messages' AND part = NEW.state;
        END;
        DROP INDEX message_open;
        CREATE INDEX message_open ON message (state) WHERE state = 'pending' OR state = 'staged' OR state = 'withdrawing';
        """
}
