import Testing

/// "Why did I get this?" and "why didn't she?"
@Suite struct ExplainTests {
    @Test func theTimelineSaysWhatHappened() {
        let shop = Shop()
        defer { shop.program.remove() }
        let result = shop.run("explain ada")
        #expect(result.output.contains("welcome started, because of event e2, due 2026-03-01T11:00:00.000Z"))
        #expect(result.output.contains("published: it was decided to send the message"))
        #expect(result.output.contains("reminder"))
    }

    @Test func aRuleThatNeverStartedShowsItsNearestMiss() {
        let shop = Shop()
        defer { shop.program.remove() }
        let result = shop.run("explain ada vip")
        #expect(result.output.contains("nothing of this rule has started"))
        #expect(result.output.contains("it starts on Order Completed"))
        #expect(result.output.contains("if: does not hold"))
        #expect(result.output.contains("profile.member(\"buyer\")  =  false"))
        #expect(result.output.contains("profile.count(\"Order Completed\", \"30d\")  =  0"))
        #expect(shop.run("explain bob vip").output.contains("condition_false: its condition did not hold"))
        #expect(shop.run("explain bob vip --json").output.contains("\"conditions\":[{"))
        #expect(shop.run("explain bob nothing").code == 64)
    }
}
