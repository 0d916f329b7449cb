import CSQLite
import Engine
import Glibc
import Testing

@testable import Pipeline
@testable import Storage

/// The real program as a service: what it refuses, what it waits for, and how it takes signals.
@Suite(.serialized) struct ServiceTests {
    /// A shop with its log in place, and the messages that a replay makes of it.
    private func stocked(_ lines: Int = 60, extra: String = "", isBegun: Bool = false, onDisk: Bool = false) throws -> (
        shop: LiveShop, expected: [String: [UInt8]]
    ) {
        let shop = LiveShop(onDisk: onDisk, extra: extra)
        if isBegun { #expect(shop.drain() == 0, "\(Files.text(shop.path + "/run.err"))") }
        var feeder = LogFeeder(directory: shop.path + "/logs", streams: ShopLog.streams)
        feeder.write(ShopLog.lines(lines, streams: ShopLog.streams.count, seed: 7)[...])
        let expected = shop.replay()
        #expect(expected.count > 10)
        return (shop, expected)
    }

    private func status(_ shop: LiveShop) -> StatusFile? { StatusFile.read(from: shop.state) }

    /// The daemon has read everything, and says so.
    private func isIdle(_ shop: LiveShop, _ daemon: Program) -> Bool {
        status(shop).map { $0.pid == Int(daemon.process) && $0.caughtUp && $0.lines > 0 } ?? false
    }

    private func ended(_ daemon: Program) -> Int32 {
        daemon.send(SIGTERM)
        return daemon.wait()
    }

    private func rows(_ shop: LiveShop, _ state: String) throws -> Int {
        Int(try Store.reader(directory: shop.state).integer("SELECT count(*) FROM message WHERE state = '\(state)'") ?? -1)
    }

    /// As a deployment does that makes `current` the next release: nothing happens in the directory that was watched.
    @Test func aLinkOnTheWayThatComesToLeadElsewhereIsNoticed() throws {
        let shop = LiveShop()
        let lines = ShopLog.lines(60, streams: ShopLog.streams.count, seed: 8)
        for release in ["first", "second"] { mkdir(shop.path + "/" + release, 0o755) }
        for (release, lines) in [("first", lines[..<30]), ("second", lines[30...])] {
            var feeder = LogFeeder(directory: shop.path + "/" + release + "/logs", streams: ShopLog.streams)
            feeder.write(lines)
            feeder.complete()
        }
        rmdir(shop.path + "/logs")
        symlink("current/logs", shop.path + "/logs")
        symlink("first", shop.path + "/current")
        let daemon = shop.start()
        guard eventually("the first release's log", { isIdle(shop, daemon) && status(shop)?.lines == 30 }) else { return }
        symlink("second", shop.path + "/next")
        rename(shop.path + "/next", shop.path + "/current")
        _ = eventually("the second release's log", { status(shop)?.lines == 60 })
        #expect(ended(daemon) == 0)
    }

    @Test func aSecondDaemonOnOneStateIsRefused() throws {
        let (shop, _) = try stocked()
        let daemon = shop.start()
        guard eventually("the first daemon's status", { isIdle(shop, daemon) }) else { return }
        let second = Program(["run", "--config", shop.configuration], in: shop.path, name: "second")
        #expect(second.wait() == 75)
        #expect(second.said.contains("another daemon holds this state"))
        #expect(daemon.poll() == nil)
        #expect(ended(daemon) == 0)
    }

    /// The program in a mount namespace of its own, where root too can be refused; nil where that can't be had.
    private static let unshare: String? = {
        guard let unshare = Program.find("unshare") else { return nil }
        let scratch = Scratch()
        let works =
            Program.run(["-Urm", "/bin/sh", "-c", "mount -t tmpfs none \(scratch.path)"], program: unshare, in: scratch.path) == 0
        return works ? unshare : nil
    }()

    private static let noNamespaces: Comment = "no mount namespaces here (unshare -Urm): read-only and full disks are not tried"

    private func inNamespace(_ shop: LiveShop, _ script: String, name: String = "run") throws -> Int32 {
        Files.write(
            """
            set -e
            wait_for() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 1200 ] || { echo "not within a minute: $1" >&2; exit 99; }; sleep 0.05; done; }
            \(script)
            """, to: shop.path + "/script")
        return Program.run(
            ["-Urm", "/bin/sh", shop.path + "/script"], program: try #require(Self.unshare), in: shop.path, name: name)
    }

    @Test(.enabled(if: unshare != nil, noNamespaces), arguments: [false, true]) func aReadOnlyStateIsRefused(isBegun: Bool) throws
    {
        let (shop, _) = try stocked(isBegun: isBegun)
        if !isBegun { mkdir(shop.state, 0o700) }
        let before = Files.read(shop.state + "/nudged.db")
        let code = try inNamespace(
            shop,
            """
            mount --bind \(shop.state) \(shop.state)
            mount -o remount,bind,ro \(shop.state)
            exec \(Program.path) run --config \(shop.configuration) --once
            """, name: "read-only")
        #expect(code == 73, "\(Files.text(shop.path + "/read-only.err"))")
        #expect(Files.text(shop.path + "/read-only.err").contains("check owner and mode"))
        #expect(Files.read(shop.state + "/nudged.db") == before)
    }

    @Test(arguments: ["no database at all", ""]) func aDamagedDatabaseIsRefusedAndLeftAlone(content: String) throws {
        let (shop, _) = try stocked(isBegun: true)
        let path = shop.state + "/nudged.db"
        var bytes = try #require(Files.read(path))
        if content.isEmpty {
            // Its header stays as it is, its pages don't.
            for index in 100..<bytes.count { bytes[index] = UInt8(truncatingIfNeeded: index &* 7) }
        } else {
            bytes = Array(content.utf8)
        }
        Files.write(bytes, to: path)
        for name in ["-wal", "-shm"] { unlink(path + name) }
        #expect(shop.drain() == 65, "\(Files.text(shop.path + "/run.err"))")
        #expect(Files.text(shop.path + "/run.err").contains("damaged"))
        #expect(Files.read(path) == bytes)
    }

    @Test func aSourceWithoutFilesIsToldOf() throws {
        let shop = LiveShop()
        mkdir(shop.path + "/logs", 0o755)
        Files.write("", to: shop.path + "/logs/app-1.log")
        #expect(shop.drain() == 0)
        let said = Files.text(shop.path + "/run.err")
        #expect(
            said.contains("source shop: no file matches \(shop.path)/logs/shop.log* so far") && !said.contains("source app"),
            "\(said)")
    }

    /// To go on from other counters would give numbers that are taken.
    @Test(arguments: [
        ("DELETE FROM meta WHERE key='clock'", "`clock`"), ("UPDATE meta SET value='now' WHERE key='clock'", "`clock`"),
        ("UPDATE meta SET value=x'00ff' WHERE key='clock'", "`clock`"),
        ("UPDATE meta SET value='1772323200000 1 100000' WHERE key='clock'", "`clock`"),
        ("UPDATE meta SET value='1772323200000 100000 1' WHERE key='clock'", "`clock`"),
        ("UPDATE meta SET value='9223372036854775807 100000 100000' WHERE key='clock'", "`clock`"),
        ("UPDATE meta SET value='-9223372036854775808 100000 100000' WHERE key='clock'", "`clock`"),
        ("UPDATE meta SET value='some' WHERE key='control'", "`control`"),
        ("INSERT INTO meta VALUES ('judged_up_to', 'all')", "`judged_up_to`"),
        ("UPDATE source_file SET offset=-1", "the state's record of"),
    ]) func damagedCountersAreRefused(sql: String, word: String) throws {
        let (shop, _) = try stocked(isBegun: true)
        #expect(shop.drain() == 0)
        do {
            let database = try Database(path: shop.state + "/nudged.db", flags: SQLITE_OPEN_READWRITE)
            try database.execute(sql)
            #expect(try database.integer("SELECT changes()") ?? 0 > 0)
        }
        unlink(shop.path + "/run.err")
        #expect(shop.drain() == 65)
        let said = Files.text(shop.path + "/run.err")
        #expect(said.contains(word) && said.contains("restore a backup"), "\(said)")
    }

    /// Former versions counted one thing less.
    @Test func theCountersOfAFormerVersionAreRead() throws {
        let (shop, expected) = try stocked(isBegun: true)
        #expect(shop.drain() == 0)
        do {
            let database = try Database(path: shop.state + "/nudged.db", flags: SQLITE_OPEN_READWRITE)
            try database.execute("UPDATE meta SET value=rtrim(rtrim(value, '0123456789')) WHERE key='clock'")
            #expect(
                try database.integer("SELECT length(value) - length(replace(value, ' ', '')) FROM meta WHERE key='clock'") == 2)
        }
        #expect(shop.drain() == 0, "\(Files.text(shop.path + "/run.err"))")
        #expect(published(shop.outbox) == expected)
    }

    @Test func aNewerOrForeignDatabaseIsRefusedAndLeftAlone() throws {
        for (sql, word) in [("PRAGMA user_version=99", "newer"), ("PRAGMA application_id=1", "another program")] {
            let (shop, _) = try stocked(isBegun: true)
            let path = shop.state + "/nudged.db"
            do {
                let database = try Database(path: path, flags: SQLITE_OPEN_READWRITE)
                try database.execute(sql)
            }
            let before = try #require(Files.read(path))
            #expect(shop.drain() == 65)
            #expect(Files.text(shop.path + "/run.err").contains(word))
            #expect(Files.read(path) == before)
        }
    }

    /// Somebody writes to it with another program; who only reads is never in the way.
    @Test func aLockedDatabaseIsWaitedForAndThenRefused() throws {
        let (shop, expected) = try stocked(isBegun: true)
        let other = try Database(path: shop.state + "/nudged.db", flags: SQLITE_OPEN_READWRITE)
        try other.execute("BEGIN IMMEDIATE")
        #expect(shop.drain() == 75)
        #expect(Files.text(shop.path + "/run.err").contains("another program holds it"))
        #expect(published(shop.outbox).isEmpty)
        try other.execute("ROLLBACK; BEGIN")
        #expect(try other.integer("SELECT count(*) FROM message") == 0)
        #expect(shop.drain() == 0)
        expectSame(published(shop.outbox), expected, "a locked database")
        // The reader still sees what was there when it began.
        #expect(try other.integer("SELECT count(*) FROM message") == 0)
        try other.execute("COMMIT")
        try shop.checkState("a locked database")
    }

    @Test func aForeignFileOfAMessagesNameIsNeverOverwritten() throws {
        let (shop, expected) = try stocked(isBegun: true)
        let name = try #require(expected.keys.sorted().dropFirst(3).first)
        let path = shop.outbox + "/new/" + name
        Files.write("not ours\n", to: path)
        let daemon = shop.start()
        guard eventually("the alarm", { status(shop)?.troubles.contains { $0.contains("foreign") } ?? false }) else { return }
        #expect(Files.text(path) == "not ours\n")
        #expect(rename(path, shop.path + "/aside") == 0)
        _ = eventually("the message itself") { Files.read(path) == expected[name] }
        _ = eventually("that it is over") { status(shop)?.troubles.isEmpty ?? false }
        #expect(ended(daemon) == 0)
        #expect(shop.drain() == 0)
        expectSame(published(shop.outbox), expected, "a foreign file")
        try shop.checkState("a foreign file")
    }

    /// As when its disk is not mounted.
    @Test func nothingIsCreatedInAnOutboxWithoutItsMarker() throws {
        let (shop, expected) = try stocked(isBegun: true)
        let marker = shop.outbox + "/.nudged-outbox"
        #expect(rename(marker, shop.path + "/marker") == 0)
        for folder in ["tmp", "new"] { #expect(rmdir(shop.outbox + "/" + folder) == 0) }
        #expect(shop.drain() == 0)
        #expect(Files.names(shop.outbox) == ["cur", "done", "failed"])
        #expect(try rows(shop, "pending") == expected.count)
        let daemon = shop.start()
        guard eventually("that status says so", { status(shop)?.troubles.contains { $0.contains(".nudged-outbox") } ?? false })
        else { return }
        #expect(Files.names(shop.outbox) == ["cur", "done", "failed"])
        for folder in ["tmp", "new"] { mkdir(shop.outbox + "/" + folder, 0o770) }
        #expect(rename(shop.path + "/marker", marker) == 0)
        _ = eventually("all messages") { published(shop.outbox).count == expected.count }
        #expect(ended(daemon) == 0)
        expectSame(published(shop.outbox), expected, "the marker is back")
        try shop.checkState("the marker is back")
    }

    /// More rows wait than are retried at a time.
    @Test func runOncePublishesEverythingThatWaited() throws {
        let (shop, expected) = try stocked(1600, isBegun: true)
        #expect(expected.count > 1000)
        #expect(rename(shop.outbox, shop.path + "/away") == 0)
        #expect(shop.drain() == 0)
        #expect(try rows(shop, "pending") == expected.count)
        #expect(rename(shop.path + "/away", shop.outbox) == 0)
        #expect(shop.drain() == 0)
        expectSame(published(shop.outbox), expected, "after the outbox came back")
    }

    /// Reading pauses where nothing can be delivered, and goes on by itself.
    @Test func readingPausesAtMaxPending() throws {
        let (shop, expected) = try stocked(isBegun: true)
        let text = Files.text(shop.configuration)
        Files.write(
            text.replacing(
                "outbox: \(shop.outbox)\n", with: "outbox: { default: { path: \"\(shop.outbox)\", max_pending: 5 } }\n"),
            to: shop.configuration)
        #expect(rename(shop.outbox, shop.path + "/away") == 0)
        let daemon = shop.start()
        guard eventually("the pause", { status(shop).map { $0.blocked && !$0.troubles.isEmpty } ?? false }) else { return }
        #expect(rename(shop.path + "/away", shop.outbox) == 0)
        _ = eventually("all but what waits for time") {
            published(shop.outbox).count >= expected.count - 20 && !(status(shop)?.blocked ?? true)
        }
        #expect(ended(daemon) == 0)
        #expect(shop.drain() == 0)
        expectSame(published(shop.outbox), expected, "after a pause")
    }

    @Test(.enabled(if: unshare != nil, noNamespaces)) func aFullDiskOfTheOutboxLosesNothing() throws {
        let (shop, expected) = try stocked(isBegun: false)
        let drain = "\(Program.path) run --config \(shop.configuration) --once --drain"
        let code = try inNamespace(
            shop,
            """
            mkdir \(shop.outbox); mount -t tmpfs -o size=512k none \(shop.outbox)
            mv \(shop.path)/logs \(shop.path)/kept; \(drain); mv \(shop.path)/kept \(shop.path)/logs
            dd if=/dev/zero of=\(shop.outbox)/fill bs=1024 2>/dev/null || true
            \(Program.path) run --config \(shop.configuration) & daemon=$!
            wait_for 'grep -q "disk or its quota is full" \(shop.path)/run.err'
            [ -z "$(ls \(shop.outbox)/new)" ]
            rm \(shop.outbox)/fill
            wait_for '[ "$(ls \(shop.outbox)/new | wc -l)" -ge \(expected.count / 2) ]'
            kill -TERM $daemon; wait $daemon
            \(drain)
            cp -a \(shop.outbox) \(shop.path)/copy
            """)
        #expect(code == 0, "\(Files.text(shop.path + "/run.err"))")
        expectSame(published(shop.path + "/copy"), expected, "a full outbox")
        try shop.checkState("a full outbox")
    }

    @Test(.enabled(if: unshare != nil, noNamespaces)) func aFullDiskOfTheStatePausesTheDaemon() throws {
        let (shop, expected) = try stocked(400, extra: "metrics: metrics.prom\n")
        let refused = #"grep -c "not reloaded, the old one stays: the disk is full" \#(shop.path)/run.err"#
        let drain = "\(Program.path) run --config \(shop.configuration) --once --drain"
        let code = try inNamespace(
            shop,
            """
            mkdir \(shop.state); mount -t tmpfs -o size=4m none \(shop.state)
            mv \(shop.path)/logs \(shop.path)/kept; \(drain); rm \(shop.state)/status.json
            \(Program.path) run --config \(shop.configuration) & daemon=$!
            wait_for '[ -s \(shop.state)/status.json ]'
            dd if=/dev/zero of=\(shop.state)/fill bs=4096 2>/dev/null || true
            kill -HUP $daemon
            wait_for '[ "$(\(refused))" = 1 ]'
            wait_for 'grep -q "there is room again" \(shop.path)/run.err'
            mv \(shop.path)/kept \(shop.path)/logs
            wait_for '\(Program.path) status --config \(shop.configuration) | grep -q "paused: .*disk is full"'
            wait_for 'grep -q "nudged_paused.*disk_full.* 1$" \(shop.path)/metrics.prom'
            [ -z "$(ls \(shop.outbox)/new)" ]
            kill -0 $daemon
            kill -HUP $daemon
            wait_for '[ "$(\(refused))" = 2 ]'
            rm \(shop.state)/fill
            wait_for '[ "$(grep -c "there is room again" \(shop.path)/run.err)" = 2 ]'
            wait_for '[ "$(ls \(shop.outbox)/new | wc -l)" -ge \(expected.count / 2) ]'
            kill -TERM $daemon; wait $daemon
            \(drain)
            cp -a \(shop.state) \(shop.path)/copy; umount \(shop.state); rmdir \(shop.state); mv \(shop.path)/copy \(shop.state)
            """)
        #expect(code == 0, "\(Files.text(shop.path + "/run.err"))")
        expectSame(published(shop.outbox), expected, "a full state disk")
        try shop.checkState("a full state disk")
    }

    // MARK: Signals

    @Test func termEndsABusyDaemonWithinFiveSeconds() throws {
        let (shop, expected) = try stocked(1200)
        let daemon = shop.start()
        guard eventually("that it has begun", { access(shop.state + "/status.json", F_OK) == 0 }) else { return }
        let before = Service.wallClock()
        #expect(ended(daemon) == 0, "\(daemon.said)")
        #expect(Service.wallClock() - before < 5000)
        #expect(shop.drain() == 0)
        expectSame(published(shop.outbox), expected, "SIGTERM")
    }

    @Test func reloadRefusesABadConfigurationAndTakesAGoodOne() throws {
        let shop = LiveShop()
        let lines = ShopLog.lines(120, streams: ShopLog.streams.count, seed: 8)
        var feeder = LogFeeder(directory: shop.path + "/logs", streams: ShopLog.streams)
        feeder.write(lines[..<40])
        let daemon = shop.start()
        guard eventually("the first lines", { isIdle(shop, daemon) }) else { return }
        let good = Files.text(shop.configuration)

        Files.write(good + "\nnonsense: 1\n", to: shop.configuration)
        daemon.send(SIGHUP)
        guard eventually("the refusal", { daemon.said.contains("was not reloaded, the old one stays") }) else { return }
        #expect(daemon.said.contains("nonsense"))
        #expect(daemon.poll() == nil)

        // The same rules, and one more of its own name.
        Files.write(good + "\n  extra:\n    per: customer\n    start: [Product Added]\n", to: shop.configuration)
        feeder.write(lines[40..<80])
        daemon.send(SIGHUP)
        guard eventually("the reload", { daemon.said.contains("configuration reloaded") }) else { return }
        feeder.write(lines[80...])
        #expect(shop.drain() == 75)  // the daemon holds it
        _ = eventually("a message of the new rule") {
            published(shop.outbox).values.contains { String(decoding: $0, as: UTF8.self).contains("\"rule\":\"extra\"") }
        }
        #expect(ended(daemon) == 0)
        #expect(shop.drain() == 0)
        let found = published(shop.outbox).filter { !String(decoding: $0.value, as: UTF8.self).contains("\"rule\":\"extra\"") }
        Files.write(good, to: shop.configuration)
        let expected = shop.replay()
        #expect(Set(found.keys) == Set(expected.keys))
        try shop.checkState("a reload")
    }
}
