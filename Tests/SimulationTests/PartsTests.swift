import Engine
import Testing

@testable import Simulation

@Suite struct RandomSourceTests {
    /// The reference implementation's first numbers for the state 1, 2, 3, 4 can't be set from outside; SplitMix64's of seed 0 can.
    @Test func mixingIsSplitMix64() {
        #expect(RandomSource.mix(RandomSource.step) == 0xE220_A839_7B1D_CDAF)
        #expect(RandomSource.mix(2 &* RandomSource.step) == 0x6E78_9E6A_A1B9_65F4)
    }

    @Test func drawsAreEven() {
        var random = RandomSource(seed: 5)
        var counts = Array(repeating: 0, count: 10)
        for _ in 0..<10_000 { counts[random.below(10)] += 1 }
        #expect(counts.allSatisfy { (850...1150).contains($0) })
        #expect((0..<1_000).allSatisfy { _ in (3...5).contains(random.between(3, 5)) })
    }

    @Test func theExponentialHasItsMeanAndItsTail() {
        var random = RandomSource(seed: 6)
        let draws = (0..<20_000).map { _ in random.exponential(mean: 1_000_000) }
        #expect((970_000...1_030_000).contains(draws.reduce(0, +) / draws.count))
        // A share of e⁻² is above twice the mean: 13.5 %.
        #expect((2_500...2_900).contains(draws.count { $0 > 2_000_000 }))
    }
}

@Suite struct TimeQueueTests {
    @Test func entriesComeByTimeAndThenInTheOrderTheyWereAdded() {
        var random = RandomSource(seed: 9)
        var queue = TimeQueue<Int>()
        var expected: [(Instant, Int)] = []
        for number in 0..<500 {
            let time = Instant(random.below(60))
            queue.add(number, at: time)
            expected.append((time, number))
        }
        #expect(queue.count == 500)
        for (time, number) in expected.sorted(by: { $0 < $1 }) {
            #expect(queue.nextTime == time)
            let first = queue.popFirst()
            #expect(first?.time == time && first?.element == number)
        }
        #expect(queue.popFirst() == nil)
    }
}

@Suite struct LineTextTests {
    private func text(_ write: (inout LineText) -> Void) -> String {
        var line = LineText()
        write(&line)
        var text = ""
        line.withBytes { text = String(decoding: $0, as: UTF8.self) }
        return text
    }

    @Test(arguments: [0, 7, 10, 99, 100, 123_456, 999_999_999_999, Int.max])
    func integersAreWrittenInFull(value: Int) {
        #expect(text { $0.integer(value) } == String(value))
    }

    @Test func valuesHaveTheirForms() {
        #expect(text { $0.integer(42, width: 8) } == "00000042")
        #expect(text { $0.amount(1990) } == "19.90")
        #expect(text { $0.amount(5) } == "0.05")
        #expect(text { $0.degrees(-145_278) } == "-0.145278")
        #expect(text { $0.hexadecimal(0x0123_4567_89AB_CDEF) } == "0123456789abcdef")
        #expect(text { $0.identifier(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210) } == "01234567-89ab-4def-bedc-ba9876543210")
    }

    @Test(arguments: [0, -1, 86_399_999, 86_400_000, 1_772_409_600_123, 253_402_300_799_999] as [Instant])
    func timesAreTheEnginesTimes(time: Instant) {
        #expect(text { $0.time(time) } == time.rfc3339)
    }
}

@Suite struct CustomerTests {
    @Test(arguments: [1, 2, 3, 10, 4_096, 25_000])
    func everyCustomerCanBeReached(customers: Int) {
        let stride = Customer.stride(of: customers)
        #expect(Set((0..<customers).map { ($0 * stride + 17) % customers }).count == customers)
        #expect((0..<customers).contains(Customer.visitor(random: .max, of: customers, stride: stride)))
    }

    @Test func nobodySubscribesAndSignsUp() {
        #expect((0..<1_000).allSatisfy { Customer($0, seed: 1).newcomerTurn == nil || !Customer($0, seed: 1).isSubscriber })
    }
}
