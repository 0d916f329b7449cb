/// Turns a checked tree into instructions for ``Machine``.
///
/// Errors do not travel through the stack: each instruction has at most one handler, known here, so that the machine pays for
/// CEL's absorbing `&&` and `||` only when something fails.
struct Compiler {
    private(set) var code: [Instruction] = []
    private(set) var spans: [Span] = []
    /// For each instruction: index into `handlers`, or -1.
    private(set) var handlerOf: [Int] = []
    private(set) var handlers: [Handler] = []
    private(set) var constants: [Value] = []
    private(set) var regexes: [Regex] = []
    private(set) var localCount = 0
    private(set) var maximumHeight = 0
    private var height = 0
    private var handler = -1

    init(_ expression: Expression) {
        localCount = Self.frame(of: expression)
        compile(expression)
        emit(.end, expression.span, height: -1)
    }

    /// Places that the loops need.
    private static func frame(of expression: Expression) -> Int {
        var result = 0
        switch expression.kind {
        case .loop(_, _, let slots, _, _), .bind(let slots, _, _), .optionalMap(_, let slots, _, _): result = slots.first + 2
        default: break
        }
        return expression.children.reduce(result) { max($0, frame(of: $1)) }
    }

    @discardableResult
    private mutating func emit(
        _ opcode: Instruction.Opcode, _ span: Span, a: Int = 0, b: Int = 0, c: Int = 0, height change: Int
    ) -> Int {
        code.append(Instruction(opcode: opcode, a: Int32(a), b: Int32(b), c: Int32(c)))
        spans.append(span)
        handlerOf.append(handler)
        height += change
        maximumHeight = max(maximumHeight, height)
        return code.count - 1
    }

    private mutating func constant(_ value: Value) -> Int {
        if constants.count < 64, let known = constants.firstIndex(of: value) { return known }
        constants.append(value)
        return constants.count - 1
    }

    /// Compiles something whose error goes to the instruction that comes next.
    private mutating func guarded(_ expression: Expression) {
        let outer = handler
        handlers.append(Handler(target: 0, height: localCount + height))
        handler = handlers.count - 1
        let own = handler
        compile(expression)
        handler = outer
        handlers[own].target = code.count
    }

    private mutating func compile(_ node: Expression) {
        if let reference = node.reference {
            let opcode: Instruction.Opcode =
                switch node.kind {
                case .has: .hasReference
                case .optionalSelect, .optionalIndex: .loadOptional
                default: .load
                }
            emit(opcode, node.span, a: reference, height: 1)
            return
        }
        switch node.kind {
        case .constant(let value): emit(.constant, node.span, a: constant(value), height: 1)
        // A variable alone is a reference; it comes here only as part of one, or as the target of a host function.
        case .variable(let name): failure("'\(name)' is not linked", node.span)
        case .local(_, let slot): emit(.local, node.span, a: slot, height: 1)
        case .select(let operand, let field):
            compile(operand)
            emit(.select, node.span, a: constant(.string(field)), height: 0)
        case .has(let operand, let field):
            compile(operand)
            emit(.hasField, node.span, a: constant(.string(field)), height: 0)
        case .index(let operand, let key):
            compile(operand)
            compile(key)
            emit(.index, node.span, height: -1)
        case .optionalSelect(let operand, let field):
            compile(operand)
            emit(.optionalSelect, node.span, a: constant(.string(field)), height: 0)
        case .optionalIndex(let operand, let key):
            compile(operand)
            compile(key)
            emit(.optionalIndex, node.span, height: -1)
        // Whether it is there is looked at where the whole list or map is made.
        case .optionalElement(let value): compile(value)
        case .unary(let sign, let operand):
            compile(operand)
            emit(sign == .not ? .not : .negate, node.span, height: 0)
        case .binary(let sign, let left, let right): binary(sign, left, right, node.span)
        case .and(let parts): chain(parts, .andFirst, .andNext, node.span)
        case .or(let parts): chain(parts, .orFirst, .orNext, node.span)
        case .conditional(let condition, let yes, let no): conditional(condition, yes, no, node.span)
        case .list(let elements):
            for element in elements { compile(element) }
            make(.list, .sparseList, of: elements, height: 1 - elements.count, node.span)
        case .map(let entries):
            for entry in entries {
                compile(entry.key)
                compile(entry.value)
            }
            make(.map, .sparseMap, of: entries.map(\.value), height: 1 - 2 * entries.count, node.span)
        case .call(let builtin, let arguments): call(builtin, arguments, node.span)
        case .hostCall(let call, let target, let arguments, let index):
            guard let index else { return failure("'\(call.function)' is not linked", node.span) }
            let hasTarget = target != nil && call.variable == nil
            if hasTarget, let target { compile(target) }
            for argument in arguments { compile(argument) }
            emit(
                .hostCall, node.span, a: index, b: arguments.count, c: hasTarget ? 1 : 0,
                height: 1 - arguments.count - (hasTarget ? 1 : 0))
        case .loop(let kind, let range, let slots, let filter, let body): loop(kind, range, slots, filter, body, node.span)
        case .bind(let slots, let value, let body):
            compile(value)
            emit(.store, value.span, a: slots.first, height: -1)
            compile(body)
        case .optionalMap(let target, let slots, let body, let isFlat):
            compile(target)
            let exit = emit(.takeValue, target.span, a: slots.first, height: -1)
            compile(body)
            emit(isFlat ? .expectOptional : .wrap, body.span, height: 0)
            code[exit].b = Int32(code.count)
        case .failure(let message): failure(message, node.span)
        }
    }

    private mutating func make(
        _ whole: Instruction.Opcode, _ sparse: Instruction.Opcode, of elements: [Expression], height: Int, _ span: Span
    ) {
        let optional = elements.indices.filter { if case .optionalElement = elements[$0].kind { true } else { false } }
        if optional.isEmpty {
            emit(whole, span, a: elements.count, height: height)
        } else {
            emit(sparse, span, a: elements.count, b: constant(.list(optional.map { .int($0) })), height: height)
        }
    }

    private mutating func failure(_ message: String, _ span: Span) {
        emit(.failure, span, a: constant(.string(message)), height: 1)
    }

    private mutating func binary(_ sign: BinaryOperator, _ left: Expression, _ right: Expression, _ span: Span) {
        guard let value = right.constant else {
            compile(left)
            compile(right)
            emit(.binary, span, a: Int(sign.code), height: -1)
            return
        }
        if let reference = left.reference, sign != .isIn, sign.precedence == 1, left.isPlainLoad {
            // The place is the operand's: only loading it can fail in a way that its author has to look for.
            emit(.compareLoad, span, a: reference, b: constant(value), c: Int(sign.code), height: 1)
        } else {
            compile(left)
            emit(.binaryConstant, span, a: Int(sign.code), b: constant(value), height: 0)
        }
    }

    private mutating func chain(
        _ parts: [Expression], _ first: Instruction.Opcode, _ next: Instruction.Opcode, _ span: Span
    ) {
        var exits: [Int] = []
        for (place, part) in parts.enumerated() {
            guarded(part)
            exits.append(emit(place == 0 ? first : next, part.span, height: place == 0 ? 0 : -1))
        }
        emit(.chainEnd, span, height: 0)
        for exit in exits { code[exit].a = Int32(code.count) }
    }

    private mutating func conditional(_ condition: Expression, _ yes: Expression, _ no: Expression, _ span: Span) {
        compile(condition)
        let branch = emit(.branchFalse, condition.span, height: -1)
        compile(yes)
        let exit = emit(.jump, span, height: -1)
        code[branch].a = Int32(code.count)
        compile(no)
        code[exit].a = Int32(code.count)
    }

    private mutating func call(_ builtin: Builtin, _ arguments: [Expression], _ span: Span) {
        if builtin == .matches, arguments.count == 2, case .string(let pattern)? = arguments[1].constant,
            let regex = try? Regex(pattern)
        {
            compile(arguments[0])
            regexes.append(regex)
            emit(.matches, span, a: regexes.count - 1, height: 0)
            return
        }
        // What would stand in for a missing value is judged only where it is missing.
        if builtin == .or || builtin == .orValue, arguments.count == 2 {
            compile(arguments[0])
            let exit = emit(.orElse, span, b: builtin == .orValue ? 1 : 0, height: -1)
            compile(arguments[1])
            if builtin == .or { emit(.expectOptional, arguments[1].span, height: 0) }
            code[exit].a = Int32(code.count)
            return
        }
        let known: Int? =
            if builtin == .size, arguments.count == 1, arguments[0].isPlainLoad, let reference = arguments[0].reference {
                emit(.sizeLoad, span, a: reference, height: 0)
            } else {
                nil
            }
        for argument in arguments { compile(argument) }
        emit(.call, span, a: Int(builtin.code), b: arguments.count, height: 1 - arguments.count)
        if let known { code[known].b = Int32(code.count) }
    }

    // MARK: Loops

    private mutating func loop(
        _ kind: Loop.Kind, _ range: Expression, _ slots: LoopSlots, _ filter: Expression?, _ body: Expression, _ span: Span
    ) {
        let base = slots.first - 4
        compile(range)
        emit(.loopBegin, range.span, a: base, b: Int(kind.code), height: -1)
        let next = emit(.loopNext, span, a: base, c: slots.names.count, height: 0)
        if let filter {
            compile(filter)
            emit(.branchFalse, filter.span, a: next, height: -1)
        }
        switch kind {
        case .all, .exists:
            guarded(body)
            let answer = emit(kind == .all ? .loopAll : .loopExists, body.span, a: base, b: next, height: -1)
            code[next].b = Int32(code.count)
            emit(kind == .all ? .loopAllEnd : .loopExistsEnd, span, a: base, height: 1)
            code[answer].c = Int32(code.count)
            return
        case .existsOne:
            compile(body)
            emit(.loopCount, body.span, a: base, height: -1)
        case .map, .transformList:
            compile(body)
            emit(.loopAppend, body.span, a: base, height: -1)
        case .filter:
            compile(body)
            emit(.branchFalse, body.span, a: next, height: -1)
            emit(.local, body.span, a: slots.first, height: 1)
            emit(.loopAppend, body.span, a: base, height: -1)
        case .transformMap:
            compile(body)
            emit(.loopAppendEntry, body.span, a: base, height: -1)
        }
        emit(.jump, span, a: next, height: 0)
        code[next].b = Int32(code.count)
        let end: Instruction.Opcode =
            switch kind {
            case .existsOne: .loopCountEnd
            case .transformMap: .loopMapEnd
            default: .loopListEnd
            }
        emit(end, span, a: base, height: 1)
    }
}

extension Expression {
    /// The value of a reference is asked for as it is: not whether there is one (`has(…)`), nor as an optional.
    var isPlainLoad: Bool {
        switch kind {
        case .has, .optionalSelect, .optionalIndex: false
        default: reference != nil
        }
    }
}

extension Loop.Kind {
    var code: Int32 { self == .existsOne ? 1 : (self == .transformMap ? 2 : 0) }
}
