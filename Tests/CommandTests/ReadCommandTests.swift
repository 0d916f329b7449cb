import Glibc
import Testing

/// What support and ops look at; each command on the same small day.
@Suite struct ReadCommandTests: ~Copyable {
    private let shop = Shop()

    deinit { shop.program.remove() }

    @Test func profileShowsEverything() {
        let result = shop.run("profile ada")
        #expect(result.code == 0, "\(result.errors)")
        for word in [
            "ada", "was anonymous as v1", "tea", "4.5 EUR", "regular", "reminder", "welcome", "published",
            "count of Product Viewed",
        ] {
            #expect(result.output.contains(word), "\(word) is missing in\n\(result.output)")
        }
        #expect(!result.output.contains("\u{1B}"))
    }

    @Test func anAnonymousIdLeadsToItsUser() {
        #expect(shop.run("profile anonymous:v1").output.hasPrefix("ada\n"))
        let json = shop.run("profile ada --json")
        #expect(json.output.contains("\"anonymous_ids\":[\"v1\"]"))
    }

    /// What is to be forgotten by now no condition sees; that it is still kept an export says.
    @Test func aProfileIsWithoutWhatIsForgotten() {
        let forgetful = Shop(configuration: Shop.configuration + "carts: { forget: 1h }\nwaitlist: { forget: 1h }\n", runs: false)
        defer { forgetful.program.remove() }
        let request = Shop.line(
            "Back In Stock Requested", at: "2026-03-01T10:00:00Z", user: "ada", id: "w1", #"{"product_id":"pot"}"#)
        forgetful.program.write("logs/web.ndjson", request + Shop.log)
        _ = forgetful.run("run --once")
        for arguments in ["profile ada", "profile ada --json"] {
            let shown = forgetful.run(arguments)
            #expect(shown.code == 0 && !shown.output.contains("4.5") && !shown.output.contains("waitlist"), "\(shown.output)")
        }
        let export = forgetful.run("export ada").output
        #expect(export.contains("4.5") && export.contains("waitlist"), "\(export)")
    }

    @Test func anUnknownCustomerIsBadData() {
        let result = shop.run("profile nobody")
        #expect(result.code == 65)
        #expect(result.errors.contains("there is no customer nobody"))
    }

    /// Somebody who looks what is wrong has often just written a configuration that the daemon refused.
    @Test func statusIsShownOverAWrongConfiguration() {
        let right = shop.run("status").lines.filter { !$0.contains("running") }
        _ = shop.program.shell("echo 'nonsense: 1' >> nudged.yaml")
        let result = shop.run("status")
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains("CONFIGURATION: 1 error; ") && result.output.contains("nudged check --config nudged.yaml"))
        // Nothing is missing of what it shows over the right one.
        #expect(right.count >= 8 && right.allSatisfy { result.lines.contains($0) }, "\(result.output)")
        #expect(shop.run("status --json").output.contains("\"configuration_errors\":1"))
        #expect(shop.run("timers").code == 78)
        _ = shop.program.shell("echo '{' > nudged.yaml")
        #expect(shop.run("status").code == 78)
    }

    /// Whether or not a message or a daemon has met it.
    @Test func statusTellsOfAnOutboxThatIsNotThere() {
        #expect(!shop.run("status").output.contains("trouble"))
        _ = shop.program.shell("mv outbox/.nudged-outbox marker")
        let missing = shop.run("status").output
        #expect(missing.contains(".nudged-outbox is missing; mount the outbox's disk"), "\(missing)")
        #expect(shop.run("status --json").output.contains(#""troubles":["cannot"#))
        let running = shop.program.shell(
            """
            nudged run -c nudged.yaml 2>/dev/null & daemon=$!
            for i in 1 2 3 4 5 6 7 8 9 10; do nudged status -c nudged.yaml > shown; grep -q '^running' shown && break; sleep 0.2; done
            cat shown; kill $daemon; wait $daemon
            """
        ).output
        #expect(running.contains("running (pid") && running.contains(".nudged-outbox is missing"), "\(running)")
        _ = shop.program.shell("mv outbox away")
        #expect(shop.run("status").output.contains("outbox (No such file or directory): it is not there"))
        #expect(shop.program.shell("ls").output.contains("away\n") && !shop.program.shell("ls").output.contains("outbox"))
        _ = shop.program.shell("mv away outbox; mv marker outbox/.nudged-outbox")
        #expect(!shop.run("status").output.contains("trouble"))
    }

    @Test func statusTellsOfASourceWithoutFiles() {
        _ = shop.program.shell(
            "sed -i 's|sources: .*|sources: [ { name: app, path: \"app/*.ndjson\", format: segment } ]|' nudged.yaml")
        #expect(shop.run("status").output.contains("source app: no file has been read; does its `path` match one"))
        #expect(shop.run("status --json").output.contains("\"judged_percent\":null"))
    }

    @Test func segmentsHaveSizesAndMembers() {
        let sizes = shop.run("segments --csv").output.split(whereSeparator: \.isNewline)
        #expect(sizes.dropFirst().map { String($0.prefix(9)) } == ["buyer,1,\"", "regular,1"])
        #expect(shop.run("segments buyer --csv").output == "customer,entered_at\r\nbob,2026-03-01T10:30:00.000Z\r\n")
        #expect(shop.run("segments nobody").code == 64)
    }

    @Test func timersAreListedByDeadline() {
        let result = shop.run("timers --json")
        #expect(result.lines.count == 3)
        #expect(result.lines[1].contains("\"customer\":\"cem\""))
        #expect(shop.run("timers --rule vip").output == "Nothing runs of rule vip at present.\n")
    }

    @Test func decisionsAreFiltered() {
        #expect(shop.run("decisions --customer ada --csv").output.split(whereSeparator: \.isNewline).count == 3)
        #expect(shop.run("decisions --rule vip --verdict condition_false --json").output.contains("\"customer\":\"bob\""))
        #expect(shop.run("decisions --since 2026-03-01T12:00:00Z --csv").output.split(whereSeparator: \.isNewline).count == 2)
        #expect(shop.run("decisions --verdict nonsense").code == 64)
        #expect(shop.run("decisions --since yesterday").code == 64)
    }

    @Test(arguments: [
        "timers --rule nope", "decisions --rule nope", "outbox list --rule nope", "explain ada nope", "pause nope", "resume nope",
        "segments nope", "deadletters --source nope", "deadletters --reason nope", "deadletters retry --reason nope",
        "replay --source nope", "backtest --against nudged.yaml --source nope", "consent ada --granted no --channel nope",
        "profile ''", "explain ''", "export ''", "forget ''", "forget anonymous:", "consent '' --granted no",
        "decisions --customer ''", "outbox list --customer ''",
    ]) func aNameThatIsNotThereIsBadUsage(command: String) {
        _ = shop.program.shell("echo 'delivery: { channels: [email], consent: { default: granted } }' >> nudged.yaml")
        let result = shop.run(command)
        #expect(result.code == 64 && !result.errors.isEmpty, "\(result)")
        #expect(shop.program.read("state/control.ndjson").isEmpty)
    }

    /// A rule or source that is not configured any more has left something behind.
    @Test func whatIsLeftOfAFormerNameIsStillListed() {
        _ = shop.program.shell("sed -i 's/vip:/very-important:/; s/welcome:/hello:/; s/name: web/name: net/' nudged.yaml")
        #expect(shop.run("decisions --rule vip").output.contains("condition_false"))
        #expect(shop.run("outbox list --rule welcome").output.contains("published"))
        #expect(shop.run("timers --rule welcome").output.contains("cem"))
        #expect(shop.run("deadletters --source web").output.contains("bad_json"))
    }

    @Test func messagesAreListedAndShown() {
        let list = shop.run("outbox list --rule welcome --csv").output.split(whereSeparator: \.isNewline)
        #expect(list.count == 2)
        let id = list[1].split(separator: ",")[4]
        let shown = shop.run("outbox show \(id)")
        #expect(
            shown.output.contains("published") && shown.output.contains("new/") && shown.output.contains("\"subject\":\"ada\""))
        #expect(shop.run("outbox show nothing").code == 65)
        // Senders log the name of the file.
        let file = shop.program.shell("basename outbox/new/*-\(id).json").output.dropLast()
        #expect(shop.run("outbox show \(file)").output == shown.output)
        #expect(shop.run("outbox show \(file.dropLast(6))x.json").code == 65)
    }

    @Test func aGivenUpMessageIsRequeued() {
        let row = shop.run("outbox list --rule welcome --json").output
        let id = row.split(separator: "\"id\":\"")[1].prefix { $0 != "\"" }
        let moved = shop.program.shell(
            "mv outbox/new/*-\(id).json outbox/failed/ && echo no > outbox/failed/$(ls outbox/failed).reason")
        #expect(moved.code == 0)
        #expect(shop.run("outbox show \(id)").output.contains("failed/"))
        let result = shop.run("outbox requeue \(id)")
        #expect(result.code == 0, "\(result.errors)")
        #expect(shop.program.shell("ls outbox/failed").output == "")
        #expect(shop.run("outbox show \(id)").output.contains("new/"))
        #expect(shop.run("outbox requeue \(id)").code == 65)
    }

    @Test func pruningDeletesWhatIsDone() {
        _ = shop.program.shell("mv outbox/new/* outbox/done/ && touch -d '10 days ago' outbox/done/*")
        #expect(shop.run("outbox prune --older-than 7d").output.contains("2 files deleted"))
    }

    @Test func deadLettersShowTheOffendingPlace() {
        #expect(
            shop.run("deadletters counts --csv").output == "source,reason,count\r\nweb,bad_json,1\r\nweb,missing_customer,1\r\n")
        let list = shop.run("deadletters --reason bad_json --csv").output.split(whereSeparator: \.isNewline)
        let number = list[1].split(separator: ",")[0]
        let shown = shop.run("deadletters show \(number)").lines
        #expect(shown[0] == "dead letter \(number): bad_json, a key in quotes is missing here")
        #expect(shown[2].hasSuffix("\"timestamp\":\"2026-03-01T10:20:00Z\",}"))
        // The mark stands under the brace.
        #expect(shown[3].split(separator: "^")[0].count == shown[2].count - 1)
        #expect(shop.run("deadletters show 99").code == 65)
    }

    @Test func exportHoldsAllThatIsKept() {
        let result = shop.run("export ada")
        #expect(result.code == 0, "\(result.errors)")
        let parts = [
            "\"profile\":", "\"decisions\":[{", "\"messages\":[{", "\"dead_letters\":[]", "\"subject\":\"ada\"",
            "\"because\":[\"e2\"]", "\"counted_ids\":[{", "\"buckets\":[{\"count\":1,", "\"ended\":[{",
            "\"touched_at\":\"2026-03-01T10:10:00.000Z\"", "\"entered_at\":\"2026-03-01T10:05:00.000Z\"",
        ]
        for part in parts {
            #expect(result.output.contains(part), "\(part)")
        }
        #expect(shop.run("export zelda").output.contains("bad_json"))
        #expect(shop.run("export nobody").code == 65)
    }

    private static let written =
        Shop.configuration.replacing(
            "conversion: {", with: "holdout: 100%\n    cooldown: 1d\n    conversion: {"
        ).replacing("clock: log", with: "clock: log\nlateness: 1h") + """
            delivery: { channels: [email], consent: { default: granted }, timezone: UTC }

            """

    /// Whoever asks what is kept gets all of it; whoever looks sees what a person can read.
    @Test func consentAndSendsAreShown() {
        let shop = Shop(configuration: Self.written, runs: false)
        defer { shop.program.remove() }
        shop.program.write(
            "logs/web.ndjson",
            Shop.line("Unsubscribed", at: "2026-03-01T08:00:00Z", user: "eve", id: "u1", #"{"channel":"email"}"#)
                + Shop.line("Email Bounced", at: "2026-03-01T08:30:00Z", user: "eve", id: "u2")
                + Shop.log + #"{"userId":"ada", broken"# + "\n"
                + Shop.line("Other", at: "2026-03-01T12:40:00Z", user: "ada", id: "waits", #"{"note":"a line that waits"}"#))
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("consent ada --granted yes --channel email").code == 0)
        #expect(shop.run("run --once").code == 0)
        let suppressed = shop.run("profile eve").output
        #expect(suppressed.contains("withdrawn") && suppressed.contains("nothing is sent: bounced"), "\(suppressed)")
        #expect(shop.run("export eve").output.contains("\"bounced_at\":\"2026-03-01T08:30:00.000Z\""))
        let shown = shop.run("profile ada").output
        #expect(shown.contains("held out") && shown.contains("Cooldowns"), "\(shown)")
        let json = shop.run("profile ada --json").output
        #expect(json.contains("\"held_out\":true") && json.contains("\"due\":\"2026-03-01T12:10:00.000Z\""), "\(json)")
        let export = shop.run("export ada").output
        for part in [
            "\"verdict\":\"holdout\"", "\"subject\":\"ada\"", "\"waiting_lines\":[{", "a line that waits", "\"orders\":[{",
            "\"dead_letters\":[{", "\"offset\":", "a key in quotes is missing here", "\"cooldowns\":[{",
        ] { #expect(export.contains(part), "\(part)\n\(export)") }
        // A profile's JSON has no lists of what stands elsewhere.
        #expect(export.split(separator: "\"decisions\":").count == 2 && export.split(separator: "\"messages\":").count == 2)
    }

    @Test func aBackupIsWholeAndBeginsPaused() {
        #expect(shop.run("backup copy.db").code == 0)
        #expect(shop.run("backup copy.db").code == 73)
        #expect(shop.program.shell("mkdir other && mv copy.db other/nudged.db && stat -c %a other/nudged.db").output == "600\n")
        shop.program.write("other.yaml", Shop.configuration.replacing("state: state", with: "state: other"))
        let status = shop.program.run("status -c other.yaml")
        #expect(status.output.contains("PAUSED: all messages") && status.output.contains("restored from a backup"))
        #expect(shop.program.run("decisions --csv -c other.yaml").output == shop.run("decisions --csv").output)
    }

    /// Neither SQL nor another code: it is no state of nudged's.
    @Test(arguments: ["profile ada", "status", "decisions", "backup copy.db"])
    func aDatabaseOfAnotherProgramIsBadData(command: String) {
        for content in ["CREATE TABLE t (a); INSERT INTO t VALUES (1)", "PRAGMA user_version=3; CREATE TABLE t (a)", ""] {
            _ = shop.program.shell("rm -f state/nudged.db*; sqlite3 state/nudged.db '\(content)'; touch state/nudged.db")
            let result = shop.run(command)
            #expect(result.code == 65, "\(content): \(result)")
            let words =
                content.isEmpty
                ? "the database is empty, but the state has been used" : "empty, or a database of another program; "
            #expect(result.errors.contains("nudged.db: \(words)"), "\(content): \(result.errors)")
        }
    }

    @Test func aDateIsATime() {
        let since = shop.run("decisions --csv --since 2026-03-01").output
        #expect(since == shop.run("decisions --csv").output)
        #expect(since != shop.run("decisions --csv --since 2026-03-02").output)
        #expect(shop.run("replay --until 2026-03-02").output == shop.run("replay --until 2026-03-02T00:00:00Z").output)
        #expect(shop.run("decisions --since 2026-03-32").code == 64)
    }

    @Test func jsonAndCSVExcludeEachOther() { #expect(shop.run("timers --json --csv").code == 64) }

    @Test func readingWorksWhileTheDaemonRuns() {
        let result = shop.program.shell(
            """
            nudged run -c nudged.yaml 2>/dev/null & daemon=$!
            for i in 1 2 3 4 5 6 7 8 9 10; do nudged status -c nudged.yaml --json | grep -q '"running":true' && break; sleep 0.2; done
            nudged status -c nudged.yaml --json; nudged profile ada -c nudged.yaml | head -1
            timeout 3 nudged status --watch --json -c nudged.yaml | wc -l
            kill $daemon; wait $daemon
            """)
        #expect(result.output.contains("\"running\":true"))
        #expect(result.lines.contains("ada"))
        #expect((result.lines.last.flatMap { Int($0) } ?? 0) >= 2)
    }
}
