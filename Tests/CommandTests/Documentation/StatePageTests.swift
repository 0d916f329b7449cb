import Testing

/// `docs/state.md` describes every table and view with every column, in the order of the schema, and no other.
@Suite struct StatePageTests {
    @Test func theStateIsDescribedAsItIs() throws {
        let shop = Shop()
        defer { shop.program.remove() }
        let rows = shop.program.shell(
            """
            sqlite3 -readonly state/nudged.db "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c \
            WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
            """
        ).lines
        #expect(rows.count > 100)
        let page = try #require(Page.named("docs/state.md"))
        var name = ""
        var described: [String: [String]] = [:]
        for line in page.prose {
            if let match = line.wholeMatch(of: /### `([a-z_]+)`/) {
                name = String(match.1)
                described[name] = []
            } else if !name.isEmpty, let match = line.prefixMatch(of: /\| `([a-z_]+)` \|/) {
                described[name, default: []].append(name + "." + match.1)
            }
        }
        #expect(described.keys.sorted().flatMap { described[$0] ?? [] } == rows)
    }
}
