import Testing

/// Erasure: nothing is left in any file, and old logs do not bring the customer back.
@Suite struct ForgetTests {
    private static let later = Shop.line("Other", at: "2026-03-02T12:00:00Z", user: "dan", id: "f2")

    /// Which of the state's and outbox's files hold a text, but for the logs themselves. A hash in hexadecimal may spell "ada" by chance, and so may
    /// the outbox's random id, which its marker tells.
    private func traces(of text: String, in shop: Shop) -> String {
        shop.program.shell(
            """
            outbox=$(cat outbox/.nudged-outbox)
            find state outbox -type f | while read -r file; do
                LC_ALL=C sed -E "s/[0-9a-f]{64}|$outbox//g" "$file" | grep -qaF '\(text)' && echo "$file"
            done
            """
        ).output
    }

    @Test func nothingIsLeft() {
        let shop = Shop()
        defer { shop.program.remove() }
        _ = shop.run("consent ada --granted yes")
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "ada", in: shop).contains("nudged.db"))
        #expect(traces(of: "ada", in: shop).contains("outbox/new"))
        let forgotten = shop.run("forget ada")
        #expect(forgotten.code == 0, "\(forgotten.errors)")
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        #expect(traces(of: "v1", in: shop) == "")
        #expect(shop.run("profile ada").code == 65)
        #expect(shop.run("decisions --customer bob --csv").output.contains("vip"))
        // Only a dead letter held this id.
        #expect(traces(of: "zelda", in: shop).contains("nudged.db"))
        #expect(shop.run("forget zelda").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "zelda", in: shop) == "")
    }

    @Test func oldLogsDoNotBringTheCustomerBackAndNewEventsStartAfresh() {
        let shop = Shop()
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        _ = shop.run("forget ada")
        #expect(shop.run("run --once").code == 0)
        let replay = shop.run("replay")
        #expect(replay.code == 0 && !replay.output.contains("ada"))
        #expect(!shop.run("replay --control state/control.ndjson").output.contains("ada"))
        // The same log once more under another name: every event of it is old.
        _ = shop.program.shell("sed s/Shop/Shop/ logs/web.ndjson | tac > logs/again.ndjson")
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("profile ada").code == 65)
        shop.program.write(
            "logs/new.ndjson", Shop.line("Signed Up", at: "2026-03-05T10:00:00Z", user: "ada", anonymous: "v1", id: "n1"))
        #expect(shop.run("run --once --drain").code == 0)
        let profile = shop.run("profile ada --json").output
        #expect(profile.contains("\"first_seen\":\"2026-03-05T10:00:00.000Z\"") && profile.contains("\"anonymous_ids\":[\"v1\"]"))
    }

    @Test func aRequestInTheLogErases() {
        let shop = Shop()
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write(
            "logs/zz.ndjson", Shop.line("Customer Erasure Requested", at: "2026-03-03T10:00:00Z", user: "ada", id: "z1"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        #expect(shop.run("profile ada").code == 65)
        #expect(!shop.run("replay").output.contains("ada"))
    }

    @Test func aMessageThatWaitsIsReached() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", "")
        _ = shop.run("run --once")
        _ = shop.run("pause")
        shop.program.write("logs/web.ndjson", Shop.log + Self.later)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("outbox list --state pending --customer ada --csv").output.contains("welcome"))
        _ = shop.run("forget ada")
        _ = shop.run("resume")
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        #expect(shop.program.shell("grep -l cem outbox/new/* | wc -l").output == "1\n")
    }

    /// A late line waits for its turn, whole, beside the state.
    @Test func aLineThatWaitsIsReached() {
        let shop = Shop(configuration: Shop.configuration.replacing("clock: log", with: "clock: log\nlateness: 1h"), runs: false)
        defer { shop.program.remove() }
        shop.program.write(
            "logs/web.ndjson",
            Shop.line("Other", at: "2026-03-01T09:00:00Z", user: "ada", id: "w1")
                + Shop.line("Other", at: "2026-03-01T10:30:00Z", user: "bob", id: "w2")
                + Shop.line("Other", at: "2026-03-01T09:20:00Z", user: "ada", id: "late-line"))
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "late-line", in: shop).contains("nudged.db"))
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "late-line", in: shop) == "")
        #expect(traces(of: "ada", in: shop) == "")
        // The other's line waits on.
        #expect(traces(of: "w2", in: shop).contains("nudged.db"))
    }

    // MARK: Whom no profile names

    private static let shortLived = Shop.configuration + "retention: { profiles: 1d, decisions: 90d, messages: 90d }\n"
    private func rows(_ command: String, in shop: Shop) -> Int {
        shop.run(command + " --csv").output.split(whereSeparator: \.isNewline).count - 1
    }

    private static func other(_ day: Int) -> String {
        Shop.line("Other", at: "2026-03-\(day < 10 ? "0" : "")\(day)T10:00:00Z", user: "zed", id: "day\(day)")
    }

    /// Decisions, messages and files outlast the profile of whoever was idle for too long.
    @Test(arguments: ["ada", "anonymous:v1"]) func aCustomerWhoseProfileHasGoneIsFoundAndForgotten(id: String) {
        let shop = Shop(configuration: Self.shortLived, runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write("logs/later.ndjson", Self.other(9))
        for _ in 0..<2 { #expect(shop.run("run --once --drain").code == 0) }
        #expect(shop.run("profile ada").code == 65)
        #expect(shop.run("decisions --customer \(id) --csv").output.contains("welcome"))
        let export = shop.run("export \(id)").output
        #expect(export.contains("\"subject\":\"ada\"") && !export.contains("\"profile\""), "\(export)")
        // Comes back, and is known by another number.
        shop.program.write(
            "logs/back.ndjson",
            Shop.line("Signed Up", at: "2026-03-09T12:00:00Z", user: "ada", id: "b1")
                + Shop.line("Other", at: "2026-03-09T14:00:00Z", user: "zed", id: "b2"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(rows("decisions --customer \(id)", in: shop) == 3)
        #expect(shop.run("forget \(id)").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        #expect(traces(of: "v1", in: shop) == "")
        #expect(shop.run("decisions --csv").output.contains("vip"))
    }

    @Test func aRequestInTheLogReachesWhomNoProfileNames() {
        let shop = Shop(configuration: Self.shortLived, runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write("logs/later.ndjson", Self.other(9))
        for _ in 0..<2 { #expect(shop.run("run --once --drain").code == 0) }
        shop.program.write(
            "logs/request.ndjson", Shop.line("Customer Erasure Requested", at: "2026-03-09T11:00:00Z", user: "ada", id: "z1"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        // The visitor's id, too, was the customer's.
        shop.program.write(
            "logs/again.ndjson", Shop.line("Product Viewed", at: "2026-03-08T10:00:00Z", anonymous: "v1", id: "again"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("profile anonymous:v1").code == 65)
    }

    // MARK: Dead letters

    private static let broken = #"{"userId":"ada", "note":"broken"# + "\n"

    @Test func aBrokenLineOfTheBatchThatErasesIsReached() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write(
            "logs/web.ndjson",
            Shop.log + Self.broken + Shop.line("Customer Erasure Requested", at: "2026-03-01T14:00:00Z", user: "ada", id: "z1")
                + Self.later)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        #expect(traces(of: "zelda", in: shop).contains("nudged.db"))
    }

    @Test func aBrokenLineThatWasNotReadYetIsReached() {
        let shop = Shop()
        defer { shop.program.remove() }
        shop.program.write("logs/more.ndjson", Self.broken)
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        // Read later still, and of a time at which the customer was there.
        shop.program.write("logs/again.ndjson", Self.broken.replacing("broken", with: #"broken","x":"ada""#))
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        // Whoever has come back since has dead letters again.
        shop.program.write("logs/later.ndjson", Self.other(8) + Self.other(9))
        #expect(shop.run("run --once").code == 0)
        shop.program.write("logs/back.ndjson", Self.broken.replacing("broken", with: "back"))
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop).contains("nudged.db"))
    }

    /// The order was given before the state knew of the customer, and is obeyed after: as if the daemon had been killed in between.
    @Test func whoComesInAfterTheOrderIsErasedByIt() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", Shop.line("Other", at: "2026-03-01T23:00:00Z", user: "zed", id: "first"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("forget ada").output.contains("of whom nothing is in the state"))
        _ = shop.program.shell("mv state/control.ndjson order")
        shop.program.write("logs/more.ndjson", Shop.log + Self.broken)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "ada", in: shop) != "")
        _ = shop.program.shell("cat state/control.ndjson >> order; mv order state/control.ndjson")
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
        #expect(traces(of: "zelda", in: shop).contains("nudged.db"))
    }

    @Test func aLineThatIsTooLateBringsNobodyBack() {
        let shop = Shop()
        defer { shop.program.remove() }
        _ = shop.run("forget ada")
        #expect(shop.run("run --once").code == 0)
        let far = Shop.line("Other", at: "2026-06-01T10:00:00Z", user: "zed", id: "far")
        shop.program.write("logs/late.ndjson", far)
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write("logs/late.ndjson", far + Shop.line("Other", at: "2026-03-01T10:00:00Z", user: "ada", id: "l1"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
    }

    // MARK: Backups

    /// The log with the request is gone; the control log tells, also of the visitor who had not logged in yet when the backup was made.
    @Test func aRestoredBackupBringsNobodyBackWhoAskedInALog() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        let lines = Shop.log.split(separator: "\n", omittingEmptySubsequences: false)
        shop.program.write("logs/web.ndjson", lines[0] + "\n" + Self.later)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("profile anonymous:v1").code == 0)
        #expect(shop.run("backup before.db").code == 0)
        shop.program.write(
            "logs/next.ndjson",
            Shop.line("Signed Up", at: "2026-03-03T10:00:00Z", user: "ada", anonymous: "v1", id: "n1")
                + Shop.line("Customer Erasure Requested", at: "2026-03-03T11:00:00Z", user: "ada", id: "n2"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(traces(of: "v1", in: shop) == "")
        _ = shop.program.shell("rm logs/*; rm -f state/nudged.db-*; cp before.db state/nudged.db")
        #expect(shop.run("run --once --restored 2026-03-04T00:00:00Z").code == 0)
        #expect(shop.run("profile anonymous:v1").code == 65)
        #expect(traces(of: "v1", in: shop) == "")
        shop.program.write("logs/old.ndjson", Shop.line("Other", at: "2026-03-03T10:30:00Z", user: "ada", id: "n3"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("profile ada").code == 65)
    }

    // MARK: Files out of reach

    private func forgetAda(_ shop: Shop) {
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
    }

    private func files(_ directory: String, in shop: Shop) -> String {
        shop.program.shell("grep -rl ada \(directory)").output
    }

    @Test func anOutboxThatWasAwayIsClearedWhenItIsBack() {
        let shop = Shop(configuration: Shop.configuration, runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        _ = shop.program.shell("mv outbox away")
        forgetAda(shop)
        #expect(files("away", in: shop) != "")
        _ = shop.program.shell("mv away outbox")
        #expect(shop.run("run --once").code == 0)
        #expect(traces(of: "ada", in: shop) == "")
    }

    @Test func filesWithoutRowsAreClearedWhenTheirOutboxIsBack() {
        let shop = Shop(configuration: Shop.configuration + "retention: { messages: 1d, decisions: 1d }\n", runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write("logs/later.ndjson", Self.other(9))
        for _ in 0..<2 { #expect(shop.run("run --once --drain").code == 0) }
        #expect(rows("outbox list --customer ada", in: shop) == 0)
        _ = shop.program.shell("mv outbox away")
        forgetAda(shop)
        // Comes back, and is written to again.
        shop.program.write(
            "logs/back.ndjson", Shop.line("Signed Up", at: "2026-03-10T12:00:00Z", user: "ada", id: "b1") + Self.other(11))
        #expect(shop.run("run --once --drain").code == 0)
        _ = shop.program.shell("mv away outbox")
        #expect(shop.run("run --once").code == 0)
        #expect(files("outbox", in: shop).split(separator: "\n").count == 1)
        #expect(files("outbox", in: shop).contains("20260310T130000000Z"))
    }

    private static let twoOutboxes = Shop.configuration.replacing(
        "outbox: outbox", with: "outbox: { mail: { path: mail }, push: { path: outbox } }"
    )
    .replacing("start: Signed Up", with: "start: Signed Up\n    outbox: push")

    @Test func anOutboxThatTheConfigurationHasNoMoreIsCleared() {
        let shop = Shop(configuration: Self.twoOutboxes, runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        #expect(files("outbox", in: shop) != "")
        shop.program.write(
            "nudged.yaml", Shop.configuration.replacing("outbox: outbox", with: "outbox: { mail: { path: mail } }"))
        forgetAda(shop)
        #expect(files("outbox mail", in: shop) == "")
        #expect(!shop.run("status").output.contains("erased"))
    }

    @Test func anOutboxThatIsGoneIsTold() {
        let shop = Shop(configuration: Self.twoOutboxes, runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        _ = shop.program.shell("mv outbox away")
        shop.program.write("nudged.yaml", Self.twoOutboxes.replacing("path: outbox", with: "path: fresh"))
        #expect(shop.run("forget ada").code == 0)
        let told = shop.run("run --once")
        #expect(told.code == 0 && told.errors.contains("was the outbox push, and may hold files of erased customers"), "\(told)")
        #expect(shop.run("status").output.contains("may hold files of erased customers"))
        _ = shop.program.shell("mv away outbox")
        #expect(shop.run("run --once").code == 0)
        #expect(files("outbox fresh mail", in: shop) == "")
        #expect(!shop.run("status").output.contains("erased"))
    }

    @Test func anOutboxThatIsNamedAgainIsTheOneItWas() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write("nudged.yaml", Shop.configuration.replacing("outbox: outbox", with: "outbox: outbx"))
        #expect(shop.run("run --once").code == 0)
        shop.program.write("nudged.yaml", Shop.configuration)
        let again = shop.run("run --once")
        #expect(again.code == 0 && again.errors == "", "\(again)")
        forgetAda(shop)
        #expect(files("outbox outbx", in: shop) == "")
    }

    // MARK: The secret

    @Test func withoutTheSecretNothingIsReplayed() {
        let shop = Shop()
        defer { shop.program.remove() }
        forgetAda(shop)
        _ = shop.program.shell("mv state/secret kept")
        for arguments in ["run --once", "replay", "backtest --against nudged.yaml", "forget bob"] {
            let refused = shop.run(arguments)
            #expect(refused.code == 65 && refused.errors.contains("customers were erased under it"), "\(arguments): \(refused)")
        }
        // Its control log alone tells.
        _ = shop.program.shell("mkdir other; sed 's/state: state/state: other/' nudged.yaml > other.yaml")
        let refused = shop.program.run("replay -c other.yaml --control state/control.ndjson")
        #expect(refused.code == 65 && refused.output == "", "\(refused)")
        _ = shop.program.shell("mv kept state/secret")
        #expect(shop.run("replay").code == 0)
    }

    // MARK: Consent by hand

    private static let withChannel = Shop.configuration + "delivery: { channels: [email], consent: { default: granted } }\n"

    @Test(arguments: [true, false]) func whatIsSaidAfterTheErasureStands(isObeyedAtOnce: Bool) {
        let shop = Shop(configuration: Self.withChannel, runs: false)
        defer { shop.program.remove() }
        shop.program.write(
            "logs/web.ndjson",
            Shop.line("Other", at: "2026-03-01T09:00:00Z", user: "ada", id: "w1")
                + Shop.line("Other", at: "2026-03-01T09:10:00Z", user: "bob", id: "w2"))
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("consent ada --granted yes --topic news").code == 0)
        #expect(shop.run("forget ada").code == 0)
        if isObeyedAtOnce { #expect(shop.run("run --once").code == 0) }
        #expect(shop.run("consent ada --granted no").code == 0)
        #expect(shop.run("run --once").code == 0)
        // What was said before is blanked, what was said after it is not.
        #expect(!shop.program.read("state/control.ndjson").contains("news"))
        #expect(shop.program.read("state/control.ndjson").contains("\"granted\":false"))
        shop.program.write(
            "logs/more.ndjson",
            Shop.line("Signed Up", at: "2026-03-01T10:00:00Z", user: "ada", id: "w3")
                + Shop.line("Other", at: "2026-03-01T12:00:00Z", user: "bob", id: "w4"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("decisions --customer ada --csv").output.contains(",suppressed,"))
        #expect(shop.run("replay --control state/control.ndjson").output == "")
    }

    // MARK: A database that lost everything

    @Test func anEmptyDatabaseInAUsedStateIsRefused() {
        let shop = Shop()
        defer { shop.program.remove() }
        forgetAda(shop)
        _ = shop.program.shell("rm -f state/nudged.db-*; : > state/nudged.db")
        for arguments in ["run --once", "status", "export bob"] {
            let refused = shop.run(arguments)
            #expect(
                refused.code == 65 && refused.errors.contains("the database is empty, but the state has been used"), "\(refused)")
        }
        #expect(shop.program.shell("stat -c %s state/nudged.db").output == "0\n")
    }
}
