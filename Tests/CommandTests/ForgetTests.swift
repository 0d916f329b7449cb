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
}
