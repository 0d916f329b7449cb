import CSQLite
import Engine

/// How one of two rule sets ended an instance.
package struct Judged: Sendable, Equatable {
    package var verdict: Verdict
    package var at: Instant
    package var channel: String?
    package var variant: String?
    /// Names of the segments the customer was in when the message was decided; empty without one.
    package var segments: [String]
    /// A digest of what the recipient would have read; empty without a message.
    package var content: [UInt8]

    package init(
        verdict: Verdict, at: Instant, channel: String?, variant: String?, segments: [String] = [], content: [UInt8] = []
    ) {
        self.verdict = verdict
        self.at = at
        self.channel = channel
        self.variant = variant
        self.segments = segments
        self.content = content
    }
}

/// An instance as two rule sets ended it. It is the same instance if rule, customer, key and time of the last start are: what the id of its message
/// is computed from.
package struct ComparedInstance: Sendable {
    package var rule: String
    package var customer: String
    package var key: String
    package var startedAt: Instant
    /// Nil: it never came to be, or had not ended when the history did.
    package var before: Judged?
    package var after: Judged?
}

/// What two runs over one history decided, side by side, in a temporary database, so that memory stays bounded whatever they decide.
package final class Comparison {
    package enum Side: Sendable { case before, after }

    private let database: Database

    package init() throws(StoreError) {
        database = try Database(path: "", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
        try database.execute(
            """
            PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;
            CREATE TABLE judged (
                rule TEXT NOT NULL, customer TEXT NOT NULL, key TEXT NOT NULL, started_at INTEGER NOT NULL,
                verdict0 TEXT, at0 INTEGER, channel0 TEXT, variant0 TEXT, segments0 TEXT, content0 BLOB,
                verdict1 TEXT, at1 INTEGER, channel1 TEXT, variant1 TEXT, segments1 TEXT, content1 BLOB,
                PRIMARY KEY (rule, started_at, customer, key)) WITHOUT ROWID;
            BEGIN
            """, doing: "open a temporary database")
    }

    /// That a message was withdrawn takes the place of that it was published; any other second verdict is of the instance of a visitor who became
    /// the customer.
    package func add(_ decision: Decision, _ judged: Judged, on side: Side) throws(StoreError) {
        let number = side == .before ? 0 : 1
        let columns = ["verdict", "at", "channel", "variant", "segments", "content"].map { "\($0)\(number)" }
        let statement = try database.statement(
            "INSERT INTO judged (rule, customer, key, started_at, \(columns.joined(separator: ", "))) VALUES (?,?,?,?,?,?,?,?,?,?) "
                + "ON CONFLICT DO UPDATE SET " + columns.map { "\($0)=excluded.\($0)" }.joined(separator: ", ")
                + " WHERE verdict\(number) IS NOT 'published' OR excluded.verdict\(number)='withdrawn'")
        statement.bind(1, decision.rule)
        statement.bind(2, decision.customerText)
        statement.bind(3, decision.key)
        statement.bind(4, decision.startedAt)
        statement.bind(5, judged.verdict.rawValue)
        statement.bind(6, judged.at)
        statement.bind(7, judged.channel)
        statement.bind(8, judged.variant)
        statement.bind(9, judged.segments.joined(separator: "\n"))
        statement.bind(10, blob: judged.content)
        try statement.run()
    }

    /// All instances of which at least one side made a message, by rule and time of the start.
    package func visit(_ body: (ComparedInstance) throws -> Void) throws {
        let statement = try database.statement(
            "SELECT * FROM judged WHERE verdict0='published' OR verdict1='published' ORDER BY rule, started_at, customer, key")
        defer { statement.reset() }
        while try statement.step() {
            try body(
                ComparedInstance(
                    rule: statement.text(0) ?? "", customer: statement.text(1) ?? "", key: statement.text(2) ?? "",
                    startedAt: statement.integer(3), before: Self.judged(statement, 4), after: Self.judged(statement, 10)))
        }
    }

    private static func judged(_ row: Statement, _ first: Int32) -> Judged? {
        guard let verdict = row.text(first).flatMap(Verdict.init(rawValue:)) else { return nil }
        return Judged(
            verdict: verdict, at: row.integer(first + 1), channel: row.text(first + 2), variant: row.text(first + 3),
            segments: (row.text(first + 4) ?? "").split(separator: "\n").map(String.init), content: row.bytes(first + 5) ?? [])
    }
}
