/// A regular expression of RE2's kind, for the question whether it matches somewhere in a text.
///
/// All ways to match are followed at once (Thompson's construction), so the work is at most the length of the text times that of
/// the pattern. There is no backtracking, hence neither back references nor looking ahead.
struct Regex: Sendable {
    struct Failure: Error, Hashable {
        let message: String
    }

    private enum Instruction: Sendable {
        case character(UInt32)
        case set(Int)
        case any(newline: Bool)
        case assertion(RegexNode.Assertion)
        case split(Int, Int)
        case jump(Int)
        case match
    }

    /// Instructions; counted repetitions are written out, so this is what bounds them.
    private static let maximumSize = 5000

    private var program: [Instruction] = []
    private var sets: [CharacterSet] = []

    /// - Throws: words for the author of the pattern.
    init(_ pattern: String) throws(Failure) {
        let node = try RegexParser.parse(pattern)
        try emit(node)
        program.append(.match)
    }

    /// Instructions, for the cost of making it.
    var size: Int { program.count }

    // MARK: Compiling

    private mutating func append(_ instruction: Instruction) throws(Failure) {
        guard program.count < Self.maximumSize else { throw Failure(message: "it is too long with its repetitions written out") }
        program.append(instruction)
    }

    private mutating func emit(_ node: RegexNode) throws(Failure) {
        switch node {
        case .empty: break
        case .set(let set):
            sets.append(set)
            try append(.set(sets.count - 1))
        case .character(let value): try append(.character(value))
        case .any(let newline): try append(.any(newline: newline))
        case .assertion(let assertion): try append(.assertion(assertion))
        case .sequence(let parts): for part in parts { try emit(part) }
        case .choice(let branches): try emit(choice: branches)
        case .repeated(let inner, let minimum, let maximum): try emit(inner, minimum, maximum)
        }
    }

    private mutating func emit(choice branches: [RegexNode]) throws(Failure) {
        var exits: [Int] = []
        for (place, branch) in branches.enumerated() {
            guard place < branches.count - 1 else {
                try emit(branch)
                break
            }
            let split = program.count
            try append(.split(split + 1, 0))
            try emit(branch)
            exits.append(program.count)
            try append(.jump(0))
            program[split] = .split(split + 1, program.count)
        }
        for exit in exits { program[exit] = .jump(program.count) }
    }

    private mutating func emit(_ inner: RegexNode, _ minimum: Int, _ maximum: Int?) throws(Failure) {
        for _ in 0..<minimum {
            let before = program.count
            try emit(inner)
            // Nothing repeated is nothing, and must not take a thousand turns each at many levels.
            if program.count == before { return }
        }
        guard let maximum else {
            let split = program.count
            try append(.split(split + 1, 0))
            try emit(inner)
            try append(.jump(split))
            program[split] = .split(split + 1, program.count)
            return
        }
        var splits: [Int] = []
        for _ in minimum..<max(minimum, maximum) {
            splits.append(program.count)
            try append(.split(program.count + 1, 0))
            try emit(inner)
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
    }

    // MARK: Matching

    /// Whether the expression matches somewhere in the text.
    func matches(_ text: String, _ work: inout Work) throws(Fault) -> Bool {
        var run = Run(regex: self)
        return try run.matches(text, &work)
    }

    /// One search: the places of the program that are alive, and those that will be after the next character.
    private struct Run {
        private let regex: Regex
        private var current: [Int] = []
        private var following: [Int] = []
        /// The turn in which a place was last reached; each counts once a turn.
        private var reached: [Int]
        private var stack: [Int] = []
        private var turn = 0
        private var isMatch = false

        init(regex: Regex) {
            self.regex = regex
            reached = [Int](repeating: -1, count: regex.program.count)
        }

        mutating func matches(_ text: String, _ work: inout Work) throws(Fault) -> Bool {
            try work.charge(1 + regex.program.count / 16)
            var previous: Unicode.Scalar?
            var iterator = text.unicodeScalars.makeIterator()
            var scalar = iterator.next()
            while true {
                // A match may begin anywhere.
                follow(0, previous, scalar)
                if isMatch { return true }
                try work.charge(1 + current.count / 8)
                guard let here = scalar else { return false }
                let next = iterator.next()
                turn += 1
                following.removeAll(keepingCapacity: true)
                swap(&current, &following)
                for place in following where accepts(place, here) { follow(place + 1, here, next) }
                if isMatch { return true }
                previous = here
                scalar = next
            }
        }

        private func accepts(_ place: Int, _ scalar: Unicode.Scalar) -> Bool {
            switch regex.program[place] {
            case .character(let value): scalar.value == value
            case .set(let index): regex.sets[index].contains(scalar)
            case .any(let newline): newline || scalar != "\n"
            default: false
            }
        }

        /// Makes a place alive, and all that are reached from it without a character.
        private mutating func follow(_ start: Int, _ previous: Unicode.Scalar?, _ next: Unicode.Scalar?) {
            stack.append(start)
            while let place = stack.popLast() {
                guard reached[place] != turn else { continue }
                reached[place] = turn
                switch regex.program[place] {
                case .jump(let target): stack.append(target)
                case .split(let first, let second):
                    stack.append(second)
                    stack.append(first)
                case .assertion(let assertion): if holds(assertion, previous, next) { stack.append(place + 1) }
                case .match: isMatch = true
                case .character, .set, .any: current.append(place)
                }
            }
        }

        private func holds(_ assertion: RegexNode.Assertion, _ previous: Unicode.Scalar?, _ next: Unicode.Scalar?) -> Bool {
            switch assertion {
            case .textStart: previous == nil
            case .textEnd: next == nil
            case .lineStart: previous == nil || previous == "\n"
            case .lineEnd: next == nil || next == "\n"
            case .wordBoundary: (previous?.isNamePart ?? false) != (next?.isNamePart ?? false)
            case .noWordBoundary: (previous?.isNamePart ?? false) == (next?.isNamePart ?? false)
            }
        }
    }
}
