import Testing

/// What keeps too much from being sent, and too much from being kept.
@Suite struct ValveTests {
    private static let days = (1...4).map { day in
        Shop.line("Signed Up", at: "2026-03-0\(day)T10:00:00Z", user: "u\(day)", id: "s\(day)")
    }.joined()

    @Test func theSafetyValveStopsAFloodUntilResumed() {
        let shop = Shop(configuration: Shop.configuration + "safety: { at_most: 2, per: 7d }\n", runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", Self.days)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.program.shell("ls outbox/new | wc -l").output == "2\n")
        #expect(
            shop.run("status").output.contains(
                "PAUSED: all messages since 2026-03-03T11:00:00.000Z: safety: more than 2 messages in 7d"))
        #expect(shop.run("run --once").code == 0)
        #expect(shop.program.shell("ls outbox/new | wc -l").output == "2\n")
        #expect(shop.run("resume").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("outbox list --state pending").output == "No message matches.\n")
    }

    @Test func aRestoredStateGoesOnAfterItsTime() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", "")
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("backup copy.db").code == 0)
        shop.program.write("logs/web.ndjson", Self.days)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.program.shell("ls outbox/new | wc -l").output == "3\n")
        #expect(shop.program.shell("rm state/nudged.db*; mv copy.db state/nudged.db; mv outbox/new/* outbox/done/").code == 0)
        // Paused: nothing is published twice.
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.program.shell("ls outbox/new | wc -l").output == "0\n")
        #expect(shop.run("outbox list --state pending --csv").output.split(whereSeparator: \.isNewline).count == 4)
        #expect(shop.run("run --once --restored 2026-03-03T00:00:00Z").code == 0)
        #expect(shop.program.shell("ls outbox/new").output.hasPrefix("20260303T110000"))
        #expect(shop.run("outbox list --state published --csv").output.split(whereSeparator: \.isNewline).count == 4)
    }

    @Test("a restored state is not resumed by what was said before") func aRestoredStateIgnoresOldOrders() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", "")
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("backup copy.db").code == 0)
        #expect(shop.run("pause").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("resume").code == 0)
        shop.program.write("logs/web.ndjson", Self.days)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.program.shell("ls outbox/new | wc -l").output == "3\n")
        #expect(shop.program.shell("rm state/nudged.db*; mv copy.db state/nudged.db; mv outbox/new/* outbox/done/").code == 0)
        for _ in 0..<2 {
            #expect(shop.run("run --once --drain").code == 0)
            #expect(shop.run("status").output.contains("restored from a backup"))
            #expect(shop.program.shell("ls outbox/new | wc -l").output == "0\n")
        }
        #expect(shop.run("resume").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(shop.program.shell("ls outbox/new | wc -l").output == "3\n")
    }

    @Test func aRestoreToATimeThatHasNotBeenIsRefused() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        let result = shop.run("run --once --restored 2999-01-01T00:00:00Z")
        #expect(result.code == 64 && result.errors.contains("takes a time that has been"), "\(result)")
    }

    @Test func aStateThatOthersCanReadIsToldOf() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        #expect(shop.program.shell("mkdir state; chmod 755 state").code == 0)
        let result = shop.run("run --once")
        #expect(result.code == 0 && result.errors.contains("the state is open to others (mode 755); chmod 700 it"), "\(result)")
        #expect(shop.program.shell("chmod 700 state").code == 0)
        #expect(!shop.run("run --once").errors.contains("open to others"))
    }

    @Test("a new window says until when it does not reach back far enough") func aNewWindowIsToldOf() {
        let shop = Shop(configuration: Shop.configuration, runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", Shop.line("A", at: "2026-03-03T18:10:00Z", user: "ann", id: "a1"))
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write(
            "nudged.yaml",
            Shop.configuration.replacing("  buyer:", with: "  busy: 'profile.count(\"A\", \"8d\") >= 2'\n  buyer:"))
        #expect(shop.run("run --once --drain").code == 0)
        // The day in which it began counts for eight days from its end.
        #expect(shop.run("status").output.contains("2026-03-12T00:00:00.000Z"), "\(shop.run("status").output)")
    }

    @Test func whatIsBeyondItsTimeIsDeleted() {
        let shop = Shop(
            configuration: Shop.configuration + "retention: { profiles: 2d, decisions: 2d, messages: 2d, dead_letters: 2d }\n")
        defer { shop.program.remove() }
        shop.program.write("logs/later.ndjson", Shop.line("Other", at: "2026-03-09T10:00:00Z", user: "new", id: "l1"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("profile bob").code == 65)
        #expect(shop.run("profile new").code == 0)
        #expect(shop.run("deadletters").output == "There are no dead letters.\n")
        #expect(!shop.run("decisions --csv").output.contains("2026-03-01"))
        #expect(!shop.run("outbox --csv").output.contains("2026-03-01"))
    }
}

@Suite struct MovedOutboxTests {
    /// An outbox on a bigger disk: the directory is moved with all it holds, and the configuration names its new place.
    @Test func anOutboxMayBeMoved() {
        let shop = Shop()
        defer { shop.program.remove() }
        let before = shop.program.shell("cat outbox/new/*").output
        _ = shop.program.shell("mkdir disk && mv outbox disk/spool && sed -i 's|^outbox: outbox|outbox: disk/spool|' nudged.yaml")
        shop.program.write(
            "logs/more.ndjson",
            Shop.line("Signed Up", at: "2026-03-02T10:00:00Z", user: "eve", id: "e8")
                + Shop.line("Page Viewed", at: "2026-03-02T12:00:00Z", user: "eve", id: "e9"))
        let result = shop.run("run --once")
        #expect(result.code == 0)
        #expect(result.errors == "")
        let after = shop.program.shell("cat disk/spool/new/*").output
        #expect(after.hasPrefix(before))
        #expect(after.contains("\"subject\":\"eve\""))
        #expect(shop.program.shell("test -e outbox").code != 0)
    }
}
