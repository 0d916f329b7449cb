import Testing

/// What goes wrong on the machine of whoever runs it, and what they do about it.
@Suite struct OperatorTests {
    private static let signedUp = #""type":"track","event":"Signed Up""#

    private func deadLetters(_ shop: Shop) -> String { shop.run("deadletters counts --csv").output }

    // MARK: Dead letters

    /// With `clock: log` the engine has no time before its first event.
    @Test func linesRefusedBeforeAnyEventAreListedAndStay() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", "{}\n{}\n")
        #expect(shop.run("run --once").code == 0)
        let listed = shop.run("deadletters --csv")
        #expect(listed.code == 0 && listed.output.contains("2,,web,3,2,unknown_type"), "\(listed)")
        #expect(shop.run("deadletters show 1 --json").output.contains("\"at\":null"))
        // Their age counts from the first time there is.
        shop.program.write("logs/later.ndjson", Shop.log)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(deadLetters(shop).contains("web,unknown_type,2"), "\(deadLetters(shop))")
        #expect(shop.run("deadletters show 1 --json").output.contains("\"at\":\"2026-03-01T"))
    }

    @Test func aLineOfTheFutureIsOneAlsoWhenItIsRetried() {
        let shop = Shop(configuration: Shop.configuration.replacing("clock: log", with: "clock: wall"), runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", Shop.line("Signed Up", at: "2126-03-01T10:00:00Z", user: "ann", id: "f1"))
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("deadletters retry 1").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(deadLetters(shop).contains("web,future,1"), "\(deadLetters(shop))")
    }

    /// The daemon has never seen an event, so that nothing has a time.
    @Test func aRetryIsObeyedAlsoByADrainWithoutAnyEvent() {
        let wrong = Shop.configuration.replacing(
            "format: segment", with: "format: { customer: who, event: what, time: { path: never } }")
        let shop = Shop(configuration: wrong, runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", #"{"who":"ann","what":"Signed Up","when":"2026-03-01T10:00:00Z"}"# + "\n")
        #expect(shop.run("run --once --drain").code == 0)
        #expect(deadLetters(shop).contains("web,bad_timestamp,1"), "\(deadLetters(shop))")
        shop.program.write("nudged.yaml", wrong.replacing("path: never", with: "path: when"))
        // Asked for twice, it counts once.
        for _ in 0..<2 { #expect(shop.run("deadletters retry 1").code == 0) }
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("deadletters").output == "There are no dead letters.\n")
        #expect(shop.run("timers --csv").output.contains("welcome"), "\(shop.run("timers --csv"))")
    }

    /// What is there is read, and that something is missing is told.
    @Test(arguments: ["run --once", "run --once --drain", "replay"]) func aCompressedLogThatIsCutShortIsToldOf(command: String) {
        let shop = Shop(configuration: Shop.configuration.replacing("*.ndjson", with: "*.gz"), runs: false)
        defer { shop.program.remove() }
        _ = shop.program.shell(
            "for i in 1 2 3 4 5 6 7 8 9; do cat logs/web.ndjson; done | gzip -c > whole; head -c 300 whole > logs/web.gz")
        let result = shop.run(command)
        #expect(result.code == 0)
        #expect(result.errors.contains("web.gz ends in the middle of compressed data"), "\(result.errors)")
    }

    /// Whether a pattern or the command line names them.
    @Test(arguments: [
        "logs/web.ndjson logs/web.ndjson.gz", "logs/web.ndjson.gz logs/web.ndjson", "logs/web.ndjson logs/web.ndjson",
    ])
    func aCompressedCopyOfALogIsReadOnce(logs: String) {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        let once = shop.run("replay logs/web.ndjson")
        _ = shop.program.shell("gzip -k logs/web.ndjson")
        let both = shop.run("replay " + logs)
        #expect(both.output == once.output && !once.output.isEmpty)
        #expect(both.errors.hasPrefix(once.errors.prefix { $0 != " " } + " lines in "), "\(both.errors)")
        #expect(!both.errors.contains("duplicates"), "\(both.errors)")
    }

    /// As after a truncation under a writer that goes on where it was.
    @Test func aFileThatBeginsWithAHoleIsRead() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        _ = shop.program.shell(
            "head -c 9000 /dev/zero > logs/hole.ndjson; cat logs/web.ndjson >> logs/hole.ndjson; rm logs/web.ndjson")
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("decisions --csv").output.contains("welcome,ada"), "\(shop.run("decisions --csv"))")
        #expect(shop.run("replay --until 2026-03-02T00:00:00Z").output.contains(#""subject":"cem""#))
    }

    // MARK: Erasure

    /// What is decided after the erasure, in the same batch, is somebody's who starts afresh.
    @Test(arguments: ["ann", "nobody"]) func whoComesBackInTheBatchOfAnErasureIsSentMessages(erased: String) {
        let configuration = Shop.configuration.replacing("wait: 1h", with: "wait: 0s")
        let shop = Shop(configuration: configuration, runs: false)
        defer { shop.program.remove() }
        let first = erased == "ann" ? Shop.line("Signed Up", at: "2026-03-01T10:00:00Z", user: "ann", id: "a1") : ""
        shop.program.write(
            "logs/web.ndjson",
            first + Shop.line("Customer Erasure Requested", at: "2026-03-01T10:00:01Z", user: erased, id: "a2")
                + Shop.line("Signed Up", at: "2026-03-01T10:00:02Z", user: erased, id: "a3"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.program.shell("ls outbox/new").output.split(separator: "\n").count == 1)
        #expect(shop.program.shell("cat outbox/new/*").output.contains("2026-03-01T10:00:02.000Z"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.program.shell("ls outbox/new").output.split(separator: "\n").count == 1)
    }

    /// As Python, PHP and Go escape what they need not.
    @Test(arguments: [("zoë", #"zo\u00eb"#), ("a/b", #"a\/b"#), ("a<b", #"a\u003cb"#), ("😀", #"\ud83d\ude00"#)])
    func anIdIsFoundHoweverItIsWritten(id: String, written: String) {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write(
            "logs/web.ndjson", #"{"userId":"\#(written)",\#(Self.signedUp),"timestamp":"no time"}"# + "\n" + Shop.log)
        #expect(shop.run("run --once").code == 0)
        #expect(deadLetters(shop).contains("web,bad_timestamp,1"))
        #expect(shop.run("export '\(id)'").output.contains("bad_timestamp"))
        #expect(shop.run("forget '\(id)'").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(!deadLetters(shop).contains("bad_timestamp"), "\(deadLetters(shop))")
    }

    /// A sender keeps its files for longer than the database keeps their rows.
    @Test func filesOfMessagesWhoseRowsAreGoneAreErasedToo() {
        let shop = Shop(
            configuration: Shop.configuration + "retention: { messages: 1h }\n", runs: false)
        defer { shop.program.remove() }
        #expect(shop.run("run --once --drain").code == 0)
        _ = shop.program.shell("mv outbox/new/*.json outbox/done/")
        shop.program.write("logs/later.ndjson", Shop.line("Other", at: "2026-03-05T10:00:00Z", user: "dan", id: "l1"))
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("outbox list").output == "No message matches.\n")
        let files = {
            shop.program.shell("grep -oh '\"subject\":\"[a-z]*\"' outbox/new/*.json outbox/done/*.json | sort | uniq -c").lines
        }
        #expect(files().count == 2 && files()[0].hasSuffix(" 2 \"subject\":\"ada\""), "\(files())")
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(files().count == 1 && files()[0].hasSuffix("\"cem\""), "\(files())")
    }

    @Test func withoutTheKeyOfWhatWasErasedNothingStarts() {
        let shop = Shop()
        defer { shop.program.remove() }
        // As long as nobody was erased any key will do.
        _ = shop.program.shell("rm state/secret")
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
        _ = shop.program.shell("mv state/secret kept")
        let refused = shop.run("run --once")
        #expect(refused.code == 65 && refused.errors.contains("customers were erased under it"), "\(refused)")
        _ = shop.program.shell("mv kept state/secret")
        #expect(shop.run("run --once").code == 0)
    }

    // MARK: The control log

    @Test func ordersInAControlLogThatWasEmptiedAreObeyed() {
        let shop = Shop()
        defer { shop.program.remove() }
        for _ in 1...5 { _ = shop.run("consent bob --granted yes") }
        #expect(shop.run("run --once").code == 0)
        _ = shop.program.shell("rm state/control.ndjson")
        #expect(shop.run("forget ada").code == 0)
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("profile ada").code == 65)
    }

    @Test func aReplayAddsNothingToTheControlLogItObeys() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", Shop.log)
        #expect(shop.run("run --once").code == 0)
        // Overtaken: the engine's time has passed its turn.
        shop.program.write("logs/late.ndjson", Shop.line("Signed Up", at: "2026-03-01T09:30:00Z", user: "eve", id: "o1"))
        #expect(shop.run("run --once").code == 0)
        let noted = shop.program.read("state/control.ndjson")
        #expect(noted.contains("overtaken"), "\(noted)")
        _ = shop.program.shell("cp state/control.ndjson copy.ndjson")
        for _ in 1...2 { #expect(shop.run("replay --control copy.ndjson").code == 0) }
        #expect(shop.program.read("copy.ndjson") == noted)
    }

    // MARK: Beside a live state

    @Test func aReplayKeepsOutOfWhatTheDaemonUses() {
        let shop = Shop(runs: false)
        defer { shop.program.remove() }
        for arguments in ["--outbox outbox", "--outbox outbox/new", "--state state", "--state state/below"] {
            let refused = shop.run("replay " + arguments)
            #expect(refused.code == 73, "\(arguments): \(refused)")
        }
        #expect(shop.program.shell("ls").output == "logs\nnudged.yaml\n")
        _ = shop.program.shell("mkdir full && touch full/something && mkfifo pipe")
        #expect(shop.run("replay --state full").code == 73)
        #expect(shop.run("replay pipe").code == 65)
        #expect(shop.run("replay logs").code == 65)
        #expect(shop.run("replay --outbox elsewhere --state empty").code == 0)
    }

    @Test func aReportGoesThroughLinksAndPipes() {
        let shop = Shop()
        defer { shop.program.remove() }
        _ = shop.program.shell("touch target.html && ln -s target.html link.html && mkfifo pipe")
        #expect(shop.run("report -o link.html").code == 0)
        #expect(shop.program.read("target.html").contains("<!DOCTYPE html>"))
        #expect(shop.program.shell("readlink link.html").output == "target.html\n")
        let piped = shop.program.shell("cat pipe > got.html & nudged report -o pipe -c nudged.yaml; wait; test -p pipe")
        #expect(piped.code == 0, "\(piped)")
        #expect(shop.program.read("got.html").contains("<!DOCTYPE html>"))
    }

    // MARK: What is shown

    @Test func aRunThatIsToReadAllStopsWhereTooManyMessagesWait() {
        let shop = Shop(
            configuration: Shop.configuration.replacing(
                "outbox: outbox", with: "outbox: { default: { path: outbox, max_pending: 2 } }"),
            runs: false)
        defer { shop.program.remove() }
        shop.program.write("logs/web.ndjson", "")
        #expect(shop.run("run --once").code == 0)
        #expect(shop.run("pause").code == 0)
        shop.program.write("logs/web.ndjson", Shop.log)
        #expect(shop.run("run --once --drain").code == 0)
        shop.program.write("logs/later.ndjson", Shop.line("Signed Up", at: "2026-03-05T10:00:00Z", user: "eve", id: "l1"))
        let paused = shop.run("run --once")
        #expect(paused.code == 73 && paused.errors.contains("`nudged resume`"), "\(paused)")
        #expect(shop.run("profile eve").code == 65)
        #expect(shop.run("resume").code == 0)
        #expect(shop.run("run --once --drain").code == 0)
        #expect(shop.run("profile eve").code == 0)
    }

    @Test func statusShowsRatesAndWhatCanNotBeRead() {
        let shop = Shop()
        defer { shop.program.remove() }
        let status = shop.program.shell(
            """
            ln -s loop.ndjson logs/loop.ndjson
            nudged run -c nudged.yaml 2>/dev/null & daemon=$!
            for i in $(seq 100); do nudged status -c nudged.yaml > now; grep -q "loop.ndjson" now && break; sleep 0.1; done
            nudged status --json -c nudged.yaml > json
            kill $daemon; wait $daemon; cat now json
            """)
        #expect(status.output.contains("loop.ndjson can't be looked at"), "\(status)")
        #expect(status.output.contains("rates          0/s lines, 0/s messages"), "\(status)")
        #expect(status.output.contains("\"lines_per_second\":0,"), "\(status)")
    }
}
