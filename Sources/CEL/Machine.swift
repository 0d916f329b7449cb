/// The work that an evaluation may still do.
struct Work {
    private(set) var left: Int

    init(_ steps: Int) { left = steps }

    mutating func charge(_ steps: Int) throws(Fault) {
        left -= steps
        if left < 0 {
            left = 0
            throw .budgetExceeded
        }
    }

    /// Text is cheap by the byte; this is what keeps doubling strings from eating memory.
    mutating func charge(bytes: Int) throws(Fault) { try charge(1 + bytes / 16) }

    /// False if nothing is left.
    mutating func step() -> Bool {
        left -= 1
        return left >= 0
    }
}

/// Runs the instructions of one program once. The frame holds the places of loops, then the stack.
struct Machine {
    /// An error whose effect is not decided yet, kept beside the place its value would have.
    private struct Pending {
        let place: Int
        let error: EvaluationError
    }

    let program: Program
    private let frame: UnsafeMutableBufferPointer<Value>
    private var top: Int
    private var work: Work
    private var pending: [Pending] = []
    private var fault: Fault?
    /// The error behind `fault`, if it happened elsewhere than at the instruction that failed.
    private var raised: EvaluationError?

    init(program: Program, frame: UnsafeMutableBufferPointer<Value>, budget: Int) {
        self.program = program
        self.frame = frame
        top = program.localCount
        work = Work(budget)
    }

    // MARK: Running

    /// The only part that knows the type of the host, so it is small: everything else is in `step`.
    mutating func run(_ host: some Host) -> Evaluation {
        var pc = 0
        while work.step() {
            let instruction = program.code[pc]
            switch instruction.opcode {
            case .load:
                if let value = value(host.load(Int(instruction.a), of: program), instruction) {
                    push(value)
                    pc += 1
                    continue
                }
            case .sizeLoad:
                if let size = host.size(of: Int(instruction.a), of: program) {
                    push(.int(size))
                    pc = Int(instruction.b)
                } else {
                    pc += 1
                }
                continue
            case .compareLoad:
                if let value = value(host.load(Int(instruction.a), of: program), instruction),
                    let result = binary(Int(instruction.c), value, program.constants[Int(instruction.b)])
                {
                    push(result)
                    pc += 1
                    continue
                }
            case .loadOptional:
                switch host.load(Int(instruction.a), of: program) {
                case .error(let words): fault = .host(words)
                case .value(let value):
                    push(.optional(value))
                    pc += 1
                    continue
                case .absent:
                    push(.optional(nil))
                    pc += 1
                    continue
                }
            case .hasReference:
                do throws(Fault) {
                    push(.bool(try host.has(Int(instruction.a), of: program)))
                    pc += 1
                    continue
                } catch {
                    fault = error
                }
            case .hostCall:
                let (target, arguments) = popCall(instruction)
                let loaded = host.call(Int(instruction.a), of: program, target: target, arguments: arguments)
                if let value = value(loaded, instruction) {
                    push(value)
                    pc += 1
                    continue
                }
            case .end: return .value(frame[top - 1])
            default:
                let next = step(instruction, pc)
                if next >= 0 {
                    pc = next
                    continue
                }
            }
            let error = raised ?? EvaluationError(fault: fault ?? .overflow, span: program.spans[pc])
            raised = nil
            guard let next = recover(from: error, at: pc) else { return .error(error) }
            pc = next
        }
        return .error(EvaluationError(fault: .budgetExceeded, span: program.expression.span))
    }

    private mutating func push(_ value: Value) {
        frame[top] = value
        top += 1
    }

    private mutating func pop() -> Value {
        top -= 1
        return frame[top]
    }

    private mutating func value(_ loaded: Loaded, _ instruction: Instruction) -> Value? {
        switch loaded {
        case .value(let value): return value
        case .absent: fault = missing(instruction)
        case .error(let words): fault = .host(words)
        }
        return nil
    }

    private func missing(_ instruction: Instruction) -> Fault {
        if instruction.opcode == .hostCall { return .host("\(program.calls[Int(instruction.a)].function)() has no value") }
        switch program.references[Int(instruction.a)] {
        case .path(let variable, let keys):
            guard let last = keys.last else { return .noSuchField(variable) }
            if case .string(let name) = last { return .noSuchField(name) }
            return .noSuchKey(last)
        case .call(let function, _, _, _): return .host("\(function)() has no value")
        }
    }

    private mutating func popCall(_ instruction: Instruction) -> (Value?, [Value]) {
        let count = Int(instruction.b)
        let arguments = Array(frame[top - count..<top])
        top -= count
        return (instruction.c == 1 ? pop() : nil, arguments)
    }

    /// Goes to the handler of an instruction that failed; nil if there is none, or if the error is not to be absorbed.
    private mutating func recover(from error: EvaluationError, at pc: Int) -> Int? {
        let number = program.handlerOf[pc]
        guard number >= 0, error.fault != .budgetExceeded else { return nil }
        let handler = program.handlers[number]
        pending.removeAll { $0.place >= handler.height }
        pending.append(Pending(place: handler.height, error: error))
        top = handler.height
        push(.null)
        return handler.target
    }

    private mutating func takePending(at place: Int) -> EvaluationError? {
        guard !pending.isEmpty, let index = pending.lastIndex(where: { $0.place == place }) else { return nil }
        return pending.remove(at: index).error
    }

    /// Only the first of several errors is kept.
    private mutating func keepPending(_ error: EvaluationError, at place: Int) {
        if !pending.contains(where: { $0.place == place }) { pending.append(Pending(place: place, error: error)) }
    }

    private mutating func failed(_ fault: Fault) -> Int {
        self.fault = fault
        return -1
    }

    private mutating func binary(_ code: Int, _ left: Value, _ right: Value) -> Value? {
        do {
            return try Operation.apply(code, left, right, &work)
        } catch {
            fault = error
            return nil
        }
    }

    // MARK: Instructions

    /// Does an instruction that needs no host. The next instruction, or -1 with `fault` set.
    private mutating func step(_ instruction: Instruction, _ pc: Int) -> Int {
        do {
            return try perform(instruction, pc)
        } catch {
            return failed(error)
        }
    }

    private mutating func perform(_ instruction: Instruction, _ pc: Int) throws(Fault) -> Int {
        let a = Int(instruction.a)
        switch instruction.opcode {
        case .constant: push(program.constants[a])
        case .local: push(frame[a])
        case .binary:
            let right = pop()
            frame[top - 1] = try Operation.apply(a, frame[top - 1], right, &work)
        case .binaryConstant:
            frame[top - 1] = try Operation.apply(a, frame[top - 1], program.constants[Int(instruction.b)], &work)
        case .not:
            guard case .bool(let value) = frame[top - 1] else { throw .noSuchOverload("!\(frame[top - 1].type.name)") }
            frame[top - 1] = .bool(!value)
        case .negate: frame[top - 1] = try Operation.negate(frame[top - 1])
        case .select, .hasField:
            guard case .string(let field) = program.constants[a] else { throw .unresolved("no field") }
            try select(field, testing: instruction.opcode == .hasField)
        case .index:
            let key = pop()
            frame[top - 1] = try Operation.index(frame[top - 1], key)
        case .optionalSelect:
            guard case .string(let field) = program.constants[a] else { throw .unresolved("no field") }
            frame[top - 1] = try Operation.optionalSelect(frame[top - 1], field)
        case .optionalIndex:
            let key = pop()
            frame[top - 1] = try Operation.optionalIndex(frame[top - 1], key)
        case .wrap: frame[top - 1] = .optional(frame[top - 1])
        case .expectOptional: _ = try content(of: frame[top - 1])
        case .store: frame[a] = pop()
        case .takeValue:
            guard let value = try content(of: frame[top - 1]) else { return Int(instruction.b) }
            frame[a] = value
            top -= 1
        case .orElse:
            if let value = try content(of: frame[top - 1]) {
                if instruction.b == 1 { frame[top - 1] = value }
                return a
            }
            top -= 1
        case .jump: return a
        case .branchFalse:
            switch pop() {
            case .bool(true): break
            case .bool(false): return a
            case let other: throw .notBool(other.type)
            }
        case .andFirst, .orFirst: return chainFirst(instruction, pc)
        case .andNext, .orNext: return chainNext(instruction, pc)
        case .chainEnd: return chainEnd(pc)
        case .call: try call(a, count: Int(instruction.b))
        case .matches:
            guard case .string(let text) = frame[top - 1] else { throw .noSuchOverload("matches(\(frame[top - 1].type.name))") }
            frame[top - 1] = .bool(try program.regexes[a].matches(text, &work))
        case .list: try makeList(a, optional: [])
        case .sparseList: try makeList(a, optional: places(Int(instruction.b)))
        case .map: try makeMap(a, optional: [])
        case .sparseMap: try makeMap(a, optional: places(Int(instruction.b)))
        case .failure:
            if case .string(let words) = program.constants[a] { throw .unresolved(words) }
            throw .unresolved("failure")
        default: return try loop(instruction, pc)
        }
        return pc + 1
    }

    /// What an optional holds.
    private func content(of value: Value) throws(Fault) -> Value? {
        if case .optional(let value) = value { return value }
        throw .noSuchOverload("expected an optional value, got \(value.type.name)")
    }

    private func places(_ constant: Int) -> [Int] {
        guard case .list(let places) = program.constants[constant] else { return [] }
        return places.compactMap { if case .int(let place) = $0 { place } else { nil } }
    }

    private mutating func select(_ field: String, testing: Bool) throws(Fault) {
        if case .optional = frame[top - 1] {
            let found = try Operation.optionalSelect(frame[top - 1], field)
            frame[top - 1] = testing ? .bool(try content(of: found) != nil) : found
            return
        }
        guard case .map(let map) = frame[top - 1] else {
            throw .noSuchOverload("\(frame[top - 1].type.name) has no fields, so no '\(field)'")
        }
        let value = map[field]
        if testing {
            frame[top - 1] = .bool(value != nil)
        } else {
            guard let value else { throw .noSuchField(field) }
            frame[top - 1] = value
        }
    }

    private mutating func call(_ code: Int, count: Int) throws(Fault) {
        let arguments = UnsafeBufferPointer(rebasing: frame[top - count..<top])
        let result = try Builtin.all[code].apply(Arguments(arguments), timeZone: program.timeZone, &work)
        top -= count
        push(result)
    }

    private mutating func makeList(_ count: Int, optional: [Int]) throws(Fault) {
        try work.charge(count)
        var elements = Array(frame[top - count..<top])
        for place in optional.reversed() {
            if let value = try content(of: elements[place]) { elements[place] = value } else { elements.remove(at: place) }
        }
        top -= count
        push(.list(elements))
    }

    private mutating func makeMap(_ count: Int, optional: [Int]) throws(Fault) {
        try work.charge(2 * count)
        let start = top - 2 * count
        var keys: [Value] = []
        var values: [Value] = []
        for place in 0..<count {
            var value = frame[start + 2 * place + 1]
            if optional.contains(place) {
                guard let content = try content(of: value) else { continue }
                value = content
            }
            keys.append(frame[start + 2 * place])
            values.append(value)
        }
        top = start
        push(.map(try ValueMap(keys: keys, values: values)))
    }

    // MARK: Chains

    /// An operand of a chain: a bool, or its error.
    private mutating func operand(at place: Int, _ pc: Int) -> Result<Bool, EvaluationError> {
        if let error = takePending(at: place) { return .failure(error) }
        if case .bool(let value) = frame[place] { return .success(value) }
        return .failure(EvaluationError(fault: .notBool(frame[place].type), span: program.spans[pc]))
    }

    private mutating func chainFirst(_ instruction: Instruction, _ pc: Int) -> Int {
        let deciding = instruction.opcode == .orFirst
        switch operand(at: top - 1, pc) {
        case .success(let value): return value == deciding ? Int(instruction.a) : pc + 1
        case .failure(let error):
            keepPending(error, at: top - 1)
            return pc + 1
        }
    }

    private mutating func chainNext(_ instruction: Instruction, _ pc: Int) -> Int {
        let deciding = instruction.opcode == .orNext
        let result = operand(at: top - 1, pc)
        top -= 1
        switch result {
        case .success(let value):
            guard value == deciding else { break }
            _ = takePending(at: top - 1)
            frame[top - 1] = .bool(deciding)
            return Int(instruction.a)
        case .failure(let error): keepPending(error, at: top - 1)
        }
        return pc + 1
    }

    private mutating func chainEnd(_ pc: Int) -> Int {
        raise(takePending(at: top - 1), at: pc)
    }

    /// Fails with an error that was kept, where it happened, or goes on.
    private mutating func raise(_ error: EvaluationError?, at pc: Int) -> Int {
        guard let error else { return pc + 1 }
        raised = error
        return failed(error.fault)
    }

    // MARK: Loops

    private mutating func loop(_ instruction: Instruction, _ pc: Int) throws(Fault) -> Int {
        let base = Int(instruction.a)
        switch instruction.opcode {
        case .loopBegin: try begin(base, kind: instruction.b)
        case .loopNext: return try next(instruction, pc)
        case .loopAll, .loopExists:
            let deciding = instruction.opcode == .loopExists
            let result = operand(at: top - 1, pc)
            top -= 1
            switch result {
            case .success(let value):
                if value == deciding {
                    push(.bool(deciding))
                    return Int(instruction.c)
                }
            case .failure(let error): keepPending(error, at: base)
            }
            return Int(instruction.b)
        case .loopAllEnd, .loopExistsEnd:
            if let error = takePending(at: base) { return raise(error, at: pc) }
            push(.bool(instruction.opcode == .loopAllEnd))
        case .loopCount:
            guard case .bool(let value) = pop() else { throw .notBool(frame[top].type) }
            if value, case .int(let count) = frame[base + 2] { frame[base + 2] = .int(count + 1) }
        case .loopCountEnd: push(.bool(frame[base + 2] == .int(1)))
        case .loopAppend: try append(pop(), at: base + 2)
        case .loopAppendEntry:
            try append(frame[base + 4], at: base + 2)
            try append(pop(), at: base + 3)
        case .loopListEnd: push(frame[base + 2])
        case .loopMapEnd:
            guard case .list(let keys) = frame[base + 2], case .list(let values) = frame[base + 3] else { break }
            push(.map(try ValueMap(keys: keys, values: values)))
        default: break
        }
        return pc + 1
    }

    private mutating func begin(_ base: Int, kind: Int32) throws(Fault) {
        let range = pop()
        switch range {
        case .list, .map: break
        default: throw .noSuchOverload("a macro goes through a list or a map, not \(range.type.name)")
        }
        frame[base] = range
        frame[base + 1] = .int(0)
        frame[base + 2] = kind == 1 ? .int(0) : .list([])
        frame[base + 3] = .list([])
        _ = takePending(at: base)
    }

    private mutating func next(_ instruction: Instruction, _ pc: Int) throws(Fault) -> Int {
        let base = Int(instruction.a)
        guard case .int(let place) = frame[base + 1] else { return Int(instruction.b) }
        let isPair = instruction.c == 2
        switch frame[base] {
        case .list(let elements):
            guard place < elements.count else { return Int(instruction.b) }
            frame[base + 4] = isPair ? .int(place) : elements[place]
            if isPair { frame[base + 5] = elements[place] }
        case .map(let map):
            guard place < map.count else { return Int(instruction.b) }
            frame[base + 4] = map.keys[place]
            if isPair { frame[base + 5] = map.values[place] }
        default: return Int(instruction.b)
        }
        frame[base + 1] = .int(place + 1)
        return pc + 1
    }

    /// The list is taken out of the frame while it grows, else each element would copy it.
    private mutating func append(_ value: Value, at place: Int) throws(Fault) {
        try work.charge(1)
        guard case .list(var elements) = frame[place] else { return }
        frame[place] = .null
        elements.append(value)
        frame[place] = .list(elements)
    }
}
