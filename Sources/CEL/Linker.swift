/// The pass after checking: fills in the final types, folds constants, finds what to ask the host for, and looks at literals.
struct Linker {
    private let source: Source
    private let environment: Environment
    private var unifier = Unifier()
    private(set) var diagnostics: Diagnostics
    private(set) var references: [Reference] = []
    private(set) var calls: [HostCall] = []
    private var places: [Reference: Int] = [:]

    init(source: Source, environment: Environment) {
        self.source = source
        self.environment = environment
        diagnostics = Diagnostics(source: source)
    }

    mutating func link(_ checked: Checker.Checked) -> Expression {
        unifier = checked.unifier
        return link(checked.expression, inPath: false)
    }

    private mutating func intern(_ reference: Reference) -> Int {
        if let known = places[reference] { return known }
        places[reference] = references.count
        references.append(reference)
        return references.count - 1
    }

    /// - Parameter inPath: the node is part of a longer path, which is the reference.
    private mutating func link(_ node: Expression, inPath: Bool) -> Expression {
        var reference: Int?
        if !inPath, let (variable, keys) = path(node) { reference = intern(.path(variable: variable, keys)) }
        let partOfPath = inPath || reference != nil
        let type = unifier.substitute(node.type, final: true)
        let kind: Expression.Kind
        switch node.kind {
        case .constant, .variable, .local, .failure: kind = node.kind
        case .select(let operand, let field): kind = .select(link(operand, inPath: partOfPath), field: field)
        case .has(let operand, let field): kind = .has(link(operand, inPath: partOfPath), field: field)
        case .index(let operand, let key):
            kind = .index(link(operand, inPath: partOfPath), link(key, inPath: partOfPath))
        case .optionalSelect(let operand, let field):
            kind = .optionalSelect(link(operand, inPath: partOfPath), field: field)
        case .optionalIndex(let operand, let key):
            kind = .optionalIndex(link(operand, inPath: partOfPath), link(key, inPath: partOfPath))
        case .optionalElement(let value): kind = .optionalElement(link(value, inPath: false))
        case .unary(let sign, let operand): kind = .unary(sign, link(operand, inPath: false))
        case .binary(let sign, let left, let right):
            kind = .binary(sign, link(left, inPath: false), link(right, inPath: false))
        case .and(let parts): kind = .and(parts.map { link($0, inPath: false) })
        case .or(let parts): kind = .or(parts.map { link($0, inPath: false) })
        case .conditional(let condition, let yes, let no):
            kind = .conditional(link(condition, inPath: false), link(yes, inPath: false), link(no, inPath: false))
        case .list(let elements): kind = .list(elements.map { link($0, inPath: false) })
        case .map(let entries):
            kind = .map(entries.map { (link($0.key, inPath: false), link($0.value, inPath: false)) })
        case .call(let builtin, let arguments): kind = .call(builtin, arguments.map { link($0, inPath: false) })
        case .hostCall(let call, let target, let arguments, _):
            let linked = arguments.map { link($0, inPath: false) }
            check(call, linked)
            let constants = linked.compactMap(\.constant)
            if constants.count == linked.count, target == nil || call.variable != nil {
                reference = intern(
                    .call(function: call.function, overload: call.overload, variable: call.variable, constants))
                kind = .hostCall(call, target: target.map { link($0, inPath: true) }, linked, index: nil)
            } else {
                calls.append(call)
                let index = calls.count - 1
                kind = .hostCall(call, target: target.map { link($0, inPath: call.variable != nil) }, linked, index: index)
            }
        case .loop(let loop, let range, let slots, let filter, let body):
            kind = .loop(
                loop, range: link(range, inPath: false), slots: slots, filter: filter.map { link($0, inPath: false) },
                body: link(body, inPath: false))
        case .bind(let slots, let value, let body):
            kind = .bind(slots, value: link(value, inPath: false), body: link(body, inPath: false))
        case .optionalMap(let target, let slots, let body, let isFlat):
            kind = .optionalMap(
                link(target, inPath: false), slots: slots, body: link(body, inPath: false), isFlat: isFlat)
        }
        return fold(Expression(kind: kind, span: node.span, type: type, reference: reference))
    }

    /// The variable and the keys of a chain that a host can follow. A typed list ends it: the index is applied to its value.
    private func path(_ node: Expression) -> (variable: String, keys: [Key])? {
        var keys: [Key] = []
        var current = node
        switch node.kind {
        case .has(let operand, let field):
            keys.append(.string(field))
            current = operand
        case .optionalSelect(let operand, let field):
            guard isAlwaysThere(operand) else { return nil }
            keys.append(.string(field))
            current = operand
        case .optionalIndex(let operand, let key):
            guard isAlwaysThere(operand), let value = key.constant, let key = Key(value) else { return nil }
            keys.append(key)
            current = operand
        default: break
        }
        while true {
            switch current.kind {
            case .variable(let name): return (name, keys.reversed())
            case .select(let operand, let field):
                keys.append(.string(field))
                current = operand
            case .index(let operand, let key):
                if case .list = unifier.substitute(operand.type) { return nil }
                guard let value = key.constant, let key = Key(value) else { return nil }
                keys.append(key)
                current = operand
            default: return nil
            }
        }
    }

    /// Whether only the last step of an optional path may find nothing: a variable, or declared fields of structs. Of what lies deeper the host could not
    /// say which step it was that failed.
    private func isAlwaysThere(_ node: Expression) -> Bool {
        switch (node.kind, unifier.substitute(node.type)) {
        case (_, .list): false
        case (.variable, _): true
        case (.select(let operand, _), _):
            if case .structure = unifier.substitute(operand.type) { isAlwaysThere(operand) } else { false }
        default: false
        }
    }

    private mutating func check(_ call: HostCall, _ arguments: [Expression]) {
        guard let overload = environment.functions[call.function]?.overloads[call.overload] else { return }
        for (argument, parameter) in zip(arguments, overload.parameters) {
            if let value = argument.constant {
                if !value.fits(parameter.type) {
                    diagnostics.report("expected \(parameter.type.name), got \(value.type.name)", at: argument.span)
                } else if let message = parameter.check?(value) {
                    diagnostics.report(message, at: argument.span)
                }
            } else if parameter.literal {
                diagnostics.report("this argument of \(call.function)() must be a literal", at: argument.span)
            }
        }
    }

    // MARK: Folding

    private mutating func fold(_ node: Expression) -> Expression {
        switch node.kind {
        case .call(.matches, let arguments) where !environment.isUnchecked && environment.refusesFailingConstants:
            guard case .string(let pattern)? = arguments.last?.constant, let last = arguments.last else { break }
            if case .failure(let error) = Result(catching: { () throws(Regex.Failure) in try Regex(pattern) }) {
                diagnostics.report("the regular expression is wrong: \(error.message)", at: last.span)
                return node
            }
        default: break
        }
        guard node.reference == nil, isFoldable(node.kind) else { return node }
        let program = Program(source: source, expression: node, references: [], calls: [], timeZone: environment.timeZone)
        switch program.evaluate(EmptyHost(), budget: environment.limits.foldingSteps) {
        case .value(let value):
            return Expression(kind: .constant(value), span: node.span, type: node.type, reference: nil)
        case .error(let error):
            // It will fail whenever it runs. What takes too long may still be never run.
            if environment.refusesFailingConstants, !environment.isUnchecked, error.fault != .budgetExceeded {
                diagnostics.report(error.message, at: node.span)
            }
            return node
        }
    }

    private func isFoldable(_ kind: Expression.Kind) -> Bool {
        func constant(_ nodes: Expression...) -> Bool { nodes.allSatisfy { $0.constant != nil } }
        return switch kind {
        case .select(let operand, _), .optionalSelect(let operand, _), .has(let operand, _), .unary(_, let operand):
            constant(operand)
        case .index(let left, let right), .optionalIndex(let left, let right), .binary(_, let left, let right):
            constant(left, right)
        case .and(let parts), .or(let parts), .list(let parts), .call(_, let parts): parts.allSatisfy { $0.constant != nil }
        case .conditional(let condition, let yes, let no): constant(condition, yes, no)
        case .map(let entries): entries.allSatisfy { constant($0.key, $0.value) }
        default: false
        }
    }
}
