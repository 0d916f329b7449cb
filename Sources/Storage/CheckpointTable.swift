import Engine

/// Where reading of one file goes on. What identifies the file is opaque here (`record`, written by the pipeline).
package struct SourceFileRow: Sendable {
    package var number: Int64
    package var source: String
    package var path: String
    package var record: [UInt8]
    package var offset: Int64
    /// The largest event time it has delivered (ms), or nil before the first event.
    package var watermark: Instant?
    /// Nothing more is expected of it; kept so that it is never read again.
    package var isEnded: Bool

    package init(
        number: Int64, source: String, path: String, record: [UInt8], offset: Int64, watermark: Instant?, isEnded: Bool
    ) {
        self.number = number
        self.source = source
        self.path = path
        self.record = record
        self.offset = offset
        self.watermark = watermark
        self.isEnded = isEnded
    }
}

/// A line that can never become an event, as stored.
package struct DeadLetterRow: Sendable {
    package var number: Int64 = 0
    package var source: String
    package var file: String
    package var offset: Int64
    package var length: Int64
    package var reason: String
    package var message: String
    /// Byte column of the offending place, from 1.
    package var place: Int64?
    package var at: Instant
    package var head: [UInt8]

    /// `at`, but for lines that were refused before the engine had a time.
    package var knownAt: Instant? { at == .min ? nil : at }

    /// Whether all of the line is kept, but for its end, so that it can be decoded again.
    package var isWhole: Bool { Int64(head.count) >= length - 2 && Int64(head.count) < 4096 || Int64(head.count) >= length }

    package init(
        source: String, file: String, offset: Int64, length: Int64, reason: String, message: String, place: Int64?, at: Instant,
        head: [UInt8]
    ) {
        self.source = source
        self.file = file
        self.offset = offset
        self.length = length
        self.reason = reason
        self.message = message
        self.place = place
        self.at = at
        self.head = head
    }
}

extension Store {
    package func sourceFiles() throws(StoreError) -> [SourceFileRow] {
        let statement = try database.statement(
            "SELECT number, source, path, record, offset, watermark, ended FROM source_file ORDER BY number")
        defer { statement.reset() }
        var rows: [SourceFileRow] = []
        while try statement.step() {
            rows.append(
                SourceFileRow(
                    number: statement.integer(0), source: statement.text(1) ?? "", path: statement.text(2) ?? "",
                    record: statement.bytes(3) ?? [], offset: statement.integer(4), watermark: statement.optionalInteger(5),
                    isEnded: statement.integer(6) != 0))
        }
        return rows
    }

    package func write(_ files: [SourceFileRow]) throws(StoreError) {
        let statement = try database.statement("INSERT OR REPLACE INTO source_file VALUES (?,?,?,?,?,?,?)")
        for row in files {
            statement.bind(1, row.number)
            statement.bind(2, row.source)
            statement.bind(3, row.path)
            statement.bind(4, blob: row.record)
            statement.bind(5, row.offset)
            statement.bind(6, row.watermark)
            statement.bind(7, row.isEnded ? 1 : 0)
            try statement.run()
        }
    }

    // MARK: Waiting lines

    /// Keeps lines that were read but whose turn has not come.
    package func addWaiting(_ lines: [UInt8], lastOrder: Instant) throws(StoreError) {
        let statement = try database.statement("INSERT INTO waiting (last_order, lines) VALUES (?, ?)")
        statement.bind(1, lastOrder)
        statement.bind(2, blob: lines)
        try statement.run()
    }

    /// Drops chunks all of whose lines have been applied.
    package func dropWaiting(before order: Instant) throws(StoreError) {
        let statement = try database.statement("DELETE FROM waiting WHERE last_order < ?")
        statement.bind(1, order)
        try statement.run()
    }

    package func waiting() throws(StoreError) -> [[UInt8]] {
        let statement = try database.statement("SELECT lines FROM waiting ORDER BY number")
        defer { statement.reset() }
        var chunks: [[UInt8]] = []
        while try statement.step() { chunks.append(statement.bytes(0) ?? []) }
        return chunks
    }

    // MARK: Dead letters

    package func removeDeadLetters(_ numbers: [Int64]) throws(StoreError) {
        let statement = try database.statement("DELETE FROM dead_letter WHERE number=?")
        for number in numbers {
            statement.bind(1, number)
            try statement.run()
        }
    }

    /// What is wrong with a dead letter that was tried again.
    package func judgeAgain(_ number: Int64, reason: String, message: String, place: Int64?) throws(StoreError) {
        let statement = try database.statement("UPDATE dead_letter SET reason=?, message=?, place=? WHERE number=?")
        statement.bind(1, reason)
        statement.bind(2, message)
        statement.bind(3, place)
        statement.bind(4, number)
        try statement.run()
    }

    package func write(_ letters: [DeadLetterRow]) throws(StoreError) {
        let statement = try database.statement(
            """
            INSERT INTO dead_letter (source, file, offset, length, reason, message, place, at, head) VALUES (?,?,?,?,?,?,?,?,?)
            """)
        for row in letters {
            statement.bind(1, row.source)
            statement.bind(2, row.file)
            statement.bind(3, row.offset)
            statement.bind(4, row.length)
            statement.bind(5, row.reason)
            statement.bind(6, row.message)
            statement.bind(7, row.place)
            statement.bind(8, row.at)
            statement.bind(9, blob: row.head)
            try statement.run()
        }
    }
}
