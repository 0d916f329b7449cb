import CEL
import Testing

/// Numbers from a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite struct FuzzTests {
    static let tokens = [
        "1", "-1", "0", "2u", "1.5", "'a'", "\"b\"", "b'c'", "true", "false", "null", "x", "y", "m", "l", "e", "(", ")", "[", "]",
        "{", "}", ",",
        ":", "?", ".", "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "!", "in", "has(", "size(", ".map(x,",
        ".exists(e,", ".all(i, v,",
        ".matches(", ".format([", "dyn(", "int(", "string(", "timestamp(0)", "duration('1h')", ".getHours(", "math.greatest(",
        ".split(", "`q`", "\n",
        "//", "'''", "\\", "9223372036854775807", "{'a': 1}", "[1, 'b']", ".a", "[0]", ".?a", "[?0]", "[?", "{?'a':",
        "optional.of(", "optional.none()", ".or(", ".orValue(", ".hasValue()", ".value()", ".optMap(x,", ".optFlatMap(e,",
        "cel.bind(x,",
        "base64.decode(", "base64.encode(",
    ]

    static let valid = [
        "x + 1 > 2 && m.a == 'b' || !(y in l)", "l.map(e, e * 2).filter(e, e > x).size() == 1", "has(m.a) ? string(m.a) : 'none'",
        "'a%d'.format([x]).matches('^a[0-9]+$')", "timestamp(x).getHours('+02:00') >= duration('1h').getHours()",
        "{'k': x, 'l': [1, 2.5, null]}['k'] / 1", "math.greatest(x, 2, 3u) == 3u",
        "l.all(i, v, i >= 0 && v != 'q') || m['a'].b[0].c",
        "m.?a.b.orValue(l[?x]).optMap(v, [?m.?c, v]).or(optional.none()).hasValue() || cel.bind(z, m, z.?a == optional.of('b'))",
        "{?'k': m.?a, 'n': base64.encode(base64.decode('YQ'))}.?k.optFlatMap(e, optional.ofNonZeroValue(e)).value() == 'b'",
        "'a-b'.split('-').join('+').replace('+', '').substring(0, 1).upperAscii()",
    ]

    static var environment: Environment {
        var environment = Environment()
        environment.declare("x", .int)
        environment.declare("y", .dyn)
        environment.declare("m", .map(.string, .dyn))
        environment.declare("l", .list(.dyn))
        return environment
    }

    static let host = Bindings(variables: [
        "x": .int(3), "y": .string("b"), "l": .list([.int(1), .double(2.5), .null, .string("a")]),
        "m": .map(ValueMap([(Key.string("a"), Value.string("b"))])),
    ])

    /// Whatever the text, there is a program or an error, and from a program a value or an error.
    static func run(_ text: String) -> Bool {
        var unchecked = environment
        unchecked.isUnchecked = true
        var ran = false
        for environment in [environment, unchecked] {
            guard let program = try? environment.compile(text) else { continue }
            ran = true
            _ = program.evaluate(host, budget: 2000)
            _ = program.trace(host, budget: 500)
        }
        return ran
    }

    @Test("token soup neither crashes nor hangs", arguments: [UInt64(1), 2, 3, 4]) func soup(seed: UInt64) {
        print("fuzz: token soup, seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1500 {
            let count = Int.random(in: 1...14, using: &generator)
            let text = (0..<count).map { _ in Self.tokens.randomElement(using: &generator) ?? "" }.joined(
                separator: Bool.random(using: &generator) ? " " : "")
            _ = Self.run(text)
        }
    }

    @Test("mutated expressions neither crash nor hang", arguments: [UInt64(5), 6, 7, 8]) func mutations(seed: UInt64) {
        print("fuzz: mutations, seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        var ran = 0
        for _ in 0..<800 {
            var scalars = Array((Self.valid.randomElement(using: &generator) ?? "").unicodeScalars)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: 0..<max(1, scalars.count), using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: if !scalars.isEmpty { scalars.remove(at: place) }
                case 1: scalars.insert(contentsOf: (Self.tokens.randomElement(using: &generator) ?? "").unicodeScalars, at: place)
                case 2: scalars.swapAt(place, Int.random(in: 0..<max(1, scalars.count), using: &generator))
                default: scalars.insert(Unicode.Scalar(UInt32.random(in: 0..<0xD800, using: &generator)) ?? "?", at: place)
                }
                if scalars.isEmpty { scalars = ["x"] }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            if Self.run(String(text)) { ran += 1 }
        }
        #expect(ran > 0)
    }
}
