import Engine
import Testing

@testable import Ingest

/// Events come out in the one order, whole, whatever the chunks in which they went in and the watermarks at which they are asked for.
@Suite struct SequencerTests {
    /// A chunk of events, some far out of order, each with its number as its id and as its line.
    private func chunk(_ count: Int, from first: Int, disorder: Int, _ random: inout SeededGenerator) -> EventBatch {
        var batch = EventBatch()
        for number in first..<(first + count) {
            let time = Instant(number * 10 + Int.random(in: 0...disorder, using: &random))
            var event = Event(time: time, order: time)
            event.offset = UInt64(number)
            event.file = UInt32.random(in: 1...2, using: &random)
            event.id = batch.add("\(number)".utf8)
            event.raw = batch.add(line: Array("line \(number)".utf8)[...])
            // Two events of one line stand together.
            batch.events.append(event)
            if Int.random(in: 0..<10, using: &random) == 0 { batch.events.append(event) }
        }
        return batch
    }

    @Test func eventsComeOutInTheOneOrder() {
        for seed in UInt64(1)...400 {
            var random = SeededGenerator(seed: seed)
            var sequencer = Sequencer()
            var expected: [Event] = []
            var found: [String] = []
            var given = 0
            let disorder = [0, 15, 200, 5000].randomElement(using: &random) ?? 0
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let batch = chunk(Int.random(in: 0...60, using: &random), from: given, disorder: disorder, &random)
                given += 60
                expected += batch.events
                sequencer.add(batch)
                if Bool.random(using: &random) {
                    let watermark = Instant(given * 10 - Int.random(in: 0...(disorder + 50), using: &random))
                    let due = sequencer.take(below: watermark)
                    #expect(due.events.allSatisfy { $0.order < watermark }, "seed \(seed)")
                    #expect((sequencer.earliest ?? .max) >= watermark, "seed \(seed)")
                    found += due.events.map { due.string($0.id) }
                    // What comes later belongs after what has come out.
                    given = max(given, Int(watermark / 10) + 1)
                }
                sequencer.forEachUnkept { event, batch in
                    #expect(batch.line(of: event).elementsEqual("line \(batch.string(event.id))".utf8), "seed \(seed)")
                }
            }
            let rest = sequencer.take(below: .max)
            found += rest.events.map { rest.string($0.id) }
            #expect(sequencer.count == 0)
            expected.sort { Event.precedes($0, $1) }
            #expect(found == expected.map { "\($0.offset)" }, "seed \(seed)")
        }
    }
}
