/// Gives every node its meaning and its type, and reports all that has none.
///
/// The types are those of cel-spec, gradual around dyn, with two liberties: numbers of different types may be compared with
/// `==`, `!=` and `in` just as with `<`, because nobody means them to differ by type; and a struct may be indexed by a constant
/// name, as a map may.
struct Checker {
    struct Checked {
        let expression: Expression
        let unifier: Unifier
    }

    struct Local {
        let name: String
        let slot: Int
        let type: Type
    }

    let environment: Environment
    var unifier = Unifier()
    var diagnostics: Diagnostics
    var locals: [Local] = []
    private var loopLevel = 0

    /// Places of the frame that one level of loops takes: range, position, two accumulators, two variables.
    static let slotsPerLoop = 6

    static func check(
        _ syntax: Syntax, source: Source, environment: Environment, expecting: Type?
    ) throws(CompilationFailure) -> Checked {
        var checker = Checker(environment: environment, diagnostics: Diagnostics(source: source))
        let expression = checker.check(syntax)
        if let expecting, checker.diagnostics.isEmpty, !checker.unifier.assign(expression.type, to: expecting) {
            let found = checker.unifier.substitute(expression.type, final: true)
            checker.diagnostics.report("the expression gives \(found.name), but \(expecting.name) is needed", at: syntax.span)
        }
        guard checker.diagnostics.isEmpty else { throw checker.diagnostics.failure }
        return Checked(expression: expression, unifier: checker.unifier)
    }

    private init(environment: Environment, diagnostics: Diagnostics) {
        self.environment = environment
        self.diagnostics = diagnostics
    }

    func node(_ kind: Expression.Kind, _ syntax: Syntax, _ type: Type) -> Expression {
        Expression(kind: kind, span: syntax.span, type: type, reference: nil)
    }

    /// An error; its node is dyn, so that nothing else is reported because of it.
    mutating func failure(_ message: String, hint: String? = nil, at span: Span, _ syntax: Syntax) -> Expression {
        if !environment.isUnchecked { diagnostics.report(message, hint: hint, at: span) }
        return node(.failure(message), syntax, .dyn)
    }

    func name(_ type: Type) -> String { unifier.substitute(type, final: true).name }

    mutating func check(_ syntax: Syntax) -> Expression {
        switch syntax.kind {
        case .literal(let value): return node(.constant(value), syntax, value.type)
        case .name, .select: return checkPath(syntax)
        case .has(let operand, let field):
            let target = check(operand)
            _ = select(field, of: target, syntax)
            return node(.has(target, field: field), syntax, .bool)
        case .index(let operand, let key): return checkIndex(operand, key, syntax)
        case .optionalSelect(let operand, let field):
            let target = check(operand)
            guard let type = select(field, of: target, syntax) else { return node(.failure("no such field"), syntax, .dyn) }
            return node(.optionalSelect(target, field: field), syntax, optional(type))
        case .optionalIndex(let operand, let key):
            let checked = checkIndex(operand, key, syntax)
            return switch checked.kind {
            case .index(let target, let key): node(.optionalIndex(target, key), syntax, optional(checked.type))
            case .select(let target, let field): node(.optionalSelect(target, field: field), syntax, optional(checked.type))
            default: checked
            }
        case .unary(let sign, let operand): return checkUnary(sign, check(operand), syntax)
        case .binary(let sign, let left, let right): return checkBinary(sign, check(left), check(right), syntax)
        case .and(let parts): return node(.and(parts.map { condition($0, "'&&'") }), syntax, .bool)
        case .or(let parts): return node(.or(parts.map { condition($0, "'||'") }), syntax, .bool)
        case .conditional(let condition, let yes, let no): return checkConditional(condition, yes, no, syntax)
        case .list(let elements):
            let checked = elements.map { check($0) }
            var type: Type?
            for element in checked { type = unifier.join(type, element.type) }
            return node(.list(checked), syntax, .list(type ?? unifier.fresh()))
        case .optionalElement(let value): return checkElement(value, syntax)
        case .map(let entries): return checkMap(entries, syntax)
        case .call(let function, let nameSpan, let target, let rooted, let arguments):
            return checkCall(function, nameSpan, target: target, rooted: rooted, arguments, syntax)
        case .loop(let kind, let range, let variables, let filter, let body):
            return checkLoop(kind, range, variables, filter, body, syntax)
        case .bind(let variable, let valueSyntax, let bodySyntax):
            let value = check(valueSyntax)
            let (slots, body) = within([(variable, value.type)]) { $0.check(bodySyntax) }
            return node(.bind(slots, value: value, body: body), syntax, body.type)
        case .optionalMap(let operand, let variable, let body, let isFlat):
            return checkOptionalMap(operand, variable, body, isFlat: isFlat, syntax)
        case .broken: return node(.failure("syntax error"), syntax, .dyn)
        }
    }

    private mutating func condition(_ syntax: Syntax, _ what: String) -> Expression {
        let result = check(syntax)
        if !unifier.assign(result.type, to: .bool) {
            return failure("\(what) needs bool, got \(name(result.type))", at: syntax.span, syntax, unless: result)
        }
        return result
    }

    /// Like ``failure(_:hint:at:_:)``, but keeps the node where checking is off: its type is not known to be wrong then.
    mutating func failure(
        _ message: String, hint: String? = nil, at span: Span, _ syntax: Syntax, unless result: Expression
    ) -> Expression {
        environment.isUnchecked ? result : failure(message, hint: hint, at: span, syntax)
    }

    // MARK: Names and fields

    func local(_ name: String) -> Local? { locals.last { Text.areEqual($0.name, name) } }

    private func declared(_ name: String, rooted: Bool, _ syntax: Syntax) -> Expression? {
        for candidate in environment.candidates(name, rooted: rooted) {
            if let type = environment.variables[candidate] { return node(.variable(candidate), syntax, type) }
            if let type = Type.named(candidate) { return node(.constant(.type(type)), syntax, .type) }
        }
        return nil
    }

    /// The dotted name that a chain of selections spells, unless it starts at a variable of a macro.
    func qualifiedName(_ syntax: Syntax) -> (name: String, rooted: Bool)? {
        var parts: [String] = []
        var current = syntax
        while true {
            switch current.kind {
            case .select(let operand, let field):
                if operand.isGrouped { return nil }
                parts.append(field)
                current = operand
            case .name(let name, let rooted):
                if !rooted, local(name) != nil { return nil }
                parts.append(name)
                return (parts.reversed().joined(separator: "."), rooted)
            default: return nil
            }
        }
    }

    private mutating func checkPath(_ syntax: Syntax) -> Expression {
        if let (name, rooted) = qualifiedName(syntax), let found = declared(name, rooted: rooted, syntax) { return found }
        switch syntax.kind {
        case .select(let operand, let field):
            let target = check(operand)
            guard let type = select(field, of: target, syntax) else { return node(.failure("no such field"), syntax, .dyn) }
            return node(.select(target, field: field), syntax, type)
        case .name(let name, let rooted):
            if !rooted, let local = local(name) { return node(.local(name, slot: local.slot), syntax, local.type) }
            let known = Array(environment.variables.keys) + locals.map(\.name)
            return failure("unknown name '\(name)'", hint: Suggestion.hint(for: name, among: known), at: syntax.span, syntax)
        default: return node(.failure("not a name"), syntax, .dyn)
        }
    }

    /// The type of a field, or nil where there cannot be one.
    private mutating func select(_ field: String, of target: Expression, _ syntax: Syntax) -> Type? {
        environment.isUnchecked ? .dyn : select(field, of: unifier.substitute(target.type), syntax)
    }

    private mutating func select(_ field: String, of type: Type, _ syntax: Syntax) -> Type? {
        // Only the name of the field is at fault, not the whole chain before it.
        let whole = syntax.span
        let count = field.unicodeScalars.count
        let isPlain =
            switch syntax.kind {
            case .select, .optionalSelect: count <= whole.length
            default: false
            }
        let place = isPlain ? Span(offset: whole.end - count, length: count) : whole
        switch type {
        case .dyn, .parameter: return .dyn
        case .optional(let inner): return select(field, of: inner, syntax).map { optional($0) }
        case .map(let key, let value):
            if unifier.assign(.string, to: key) { return value }
            diagnostics.report("the keys of \(name(type)) are no names", hint: "index it: x[…]", at: place)
        case .structure(let name):
            guard let structure = environment.structures[name] else { return .dyn }
            if let type = structure.type(of: field) { return type }
            let hint = Suggestion.hint(for: field, among: structure.fields.map(\.name))
            diagnostics.report("\(name) has no field '\(field)'", hint: hint, at: place)
        default:
            diagnostics.report("\(name(type)) has no fields, so no '\(field)'", at: place)
        }
        return nil
    }

    private mutating func checkIndex(_ operand: Syntax, _ keySyntax: Syntax, _ syntax: Syntax) -> Expression {
        let target = check(operand)
        let key = check(keySyntax)
        if environment.isUnchecked { return node(.index(target, key), syntax, .dyn) }
        var container = unifier.substitute(target.type)
        let isOptional: Bool
        if case .optional(let inner) = container { (container, isOptional) = (inner, true) } else { isOptional = false }
        func element(_ type: Type) -> Expression {
            node(.index(target, key), syntax, isOptional ? optional(type) : type)
        }
        switch container {
        case .dyn, .parameter: return element(.dyn)
        case .list(let type):
            if !unifier.assign(key.type, to: .int), !unifier.assign(key.type, to: .uint) {
                return failure("a list is indexed by int, not \(name(key.type))", at: keySyntax.span, syntax)
            }
            return element(type)
        case .map(let keyType, let value):
            if !compare(key.type, keyType) {
                return failure("the keys of the map are \(name(keyType)), not \(name(key.type))", at: keySyntax.span, syntax)
            }
            return element(value)
        case .structure(let structure):
            guard case .string(let field)? = key.constant else {
                return failure("\(structure) is indexed by the name of a field", at: keySyntax.span, syntax)
            }
            guard let type = environment.structures[structure]?.type(of: field) else {
                let names = environment.structures[structure]?.fields.map(\.name) ?? []
                let hint = Suggestion.hint(for: field, among: names)
                return failure("\(structure) has no field '\(field)'", hint: hint, at: keySyntax.span, syntax)
            }
            return isOptional ? element(type) : node(.select(target, field: field), syntax, type)
        case let type: return failure("\(name(type)) cannot be indexed", at: syntax.span, syntax)
        }
    }

    // MARK: Operators

    private mutating func checkUnary(_ sign: UnaryOperator, _ operand: Expression, _ syntax: Syntax) -> Expression {
        let type = unifier.substitute(operand.type)
        switch sign {
        case .not:
            if environment.isUnchecked || unifier.assign(type, to: .bool) { return node(.unary(.not, operand), syntax, .bool) }
            return failure("'!' needs bool, got \(name(type))", at: syntax.span, syntax)
        case .negate:
            switch type {
            case _ where environment.isUnchecked: return node(.unary(.negate, operand), syntax, .dyn)
            case .int, .double, .dyn: return node(.unary(.negate, operand), syntax, type)
            case .parameter: return node(.unary(.negate, operand), syntax, .dyn)
            default: return failure("'-' needs int or double, got \(name(type))", at: syntax.span, syntax)
            }
        }
    }

    /// Whether values of the two types can be equal.
    private mutating func compare(_ left: Type, _ right: Type) -> Bool {
        if unifier.assign(left, to: right) { return true }
        switch (unifier.substitute(left), unifier.substitute(right)) {
        case (.list(let a), .list(let b)), (.optional(let a), .optional(let b)): return compare(a, b)
        case (.map(let a, let b), .map(let c, let d)): return compare(a, c) && compare(b, d)
        case (let a, let b): return a.isNumber && b.isNumber
        }
    }

    private mutating func checkBinary(
        _ sign: BinaryOperator, _ left: Expression, _ right: Expression, _ syntax: Syntax
    ) -> Expression {
        let kind = Expression.Kind.binary(sign, left, right)
        if environment.isUnchecked { return node(kind, syntax, .dyn) }
        switch sign {
        case .equal, .notEqual:
            if compare(left.type, right.type) { return node(kind, syntax, .bool) }
        case .isIn:
            switch unifier.substitute(right.type) {
            case .dyn, .parameter: return node(kind, syntax, .bool)
            case .list(let element): if compare(left.type, element) { return node(kind, syntax, .bool) }
            case .map(let key, _): if compare(left.type, key) { return node(kind, syntax, .bool) }
            default: break
            }
        default:
            if let type = resolve(sign.signatures, [left.type, right.type]) { return node(kind, syntax, type) }
        }
        let types = "\(name(left.type)) and \(name(right.type))"
        return failure("'\(sign.rawValue)' cannot take \(types)", hint: operandHint(sign, left, right), at: syntax.span, syntax)
    }

    private func operandHint(_ sign: BinaryOperator, _ left: Expression, _ right: Expression) -> String? {
        let types = [unifier.substitute(left.type), unifier.substitute(right.type)]
        if types.contains(.null) { return "has(x.y) tells whether a field is there" }
        if types.allSatisfy(\.isNumber) {
            return sign == .remainder
                ? "'%' takes int or uint of one kind" : "convert one of them: double(x), int(x) or uint(x)"
        }
        if sign == .add, types.contains(.string) { return "convert the other to text: string(x)" }
        if types.contains(.duration), types.contains(.string) { return "write a duration as duration(\"48h\")" }
        if types.contains(.string), types.contains(where: \.isNumber) { return "a text stands in quotes, a number does not" }
        if types.contains(.timestamp), types.contains(.string) { return "write a time as timestamp(\"2026-01-31T00:00:00Z\")" }
        return nil
    }

    /// The result type of the signatures that the arguments fit; dyn if several fit and differ, nil if none does.
    mutating func resolve(_ signatures: [StandardLibrary.Signature], _ arguments: [Type]) -> Type? {
        var result: Type?
        for signature in signatures where signature.parameters.count == arguments.count {
            var trial = unifier
            var names: [Int: Type] = [:]
            let parameters = signature.parameters.map { trial.instantiate($0, &names) }
            guard zip(arguments, parameters).allSatisfy({ trial.assign($0, to: $1) }) else { continue }
            let type = trial.substitute(trial.instantiate(signature.result, &names))
            if let found = result {
                if found != type { return .dyn }
            } else {
                result = type
                unifier = trial
            }
        }
        return result
    }

    private mutating func checkConditional(
        _ conditionSyntax: Syntax, _ yesSyntax: Syntax, _ noSyntax: Syntax, _ syntax: Syntax
    ) -> Expression {
        let test = condition(conditionSyntax, "'?'")
        let yes = check(yesSyntax)
        let no = check(noSyntax)
        let kind = Expression.Kind.conditional(test, yes, no)
        if environment.isUnchecked { return node(kind, syntax, .dyn) }
        guard unifier.assign(yes.type, to: no.type) else {
            return failure(
                "the two results of '?:' are \(name(yes.type)) and \(name(no.type))", hint: "wrap one in dyn(…)", at: syntax.span,
                syntax)
        }
        return node(kind, syntax, unifier.join(yes.type, no.type))
    }

    private mutating func checkMap(_ entries: [(key: Syntax, value: Syntax)], _ syntax: Syntax) -> Expression {
        var keyType: Type?
        var valueType: Type?
        var checked: [(key: Expression, value: Expression)] = []
        for entry in entries {
            let key = check(entry.key)
            switch unifier.substitute(key.type) {
            case .bool, .int, .uint, .string, .dyn, .parameter: break
            case let type:
                if !environment.isUnchecked {
                    diagnostics.report("a key is bool, int, uint or string, not \(name(type))", at: entry.key.span)
                }
            }
            let value = check(entry.value)
            keyType = unifier.join(keyType, key.type)
            valueType = unifier.join(valueType, value.type)
            checked.append((key, value))
        }
        return node(.map(checked), syntax, .map(keyType ?? unifier.fresh(), valueType ?? unifier.fresh()))
    }

    // MARK: Loops

    private mutating func checkLoop(
        _ kind: Loop.Kind, _ rangeSyntax: Syntax, _ variables: [String], _ filterSyntax: Syntax?, _ bodySyntax: Syntax,
        _ syntax: Syntax
    ) -> Expression {
        let range = check(rangeSyntax)
        let first: Type
        let second: Type
        switch unifier.substitute(range.type) {
        case .list(let element): (first, second) = variables.count == 2 ? (.int, element) : (element, element)
        case .map(let key, let value): (first, second) = (key, value)
        case .dyn, .parameter: (first, second) = (.dyn, .dyn)
        case let type:
            if environment.isUnchecked {
                (first, second) = (.dyn, .dyn)
            } else {
                return failure("\(kind.rawValue)() goes through a list or a map, not \(name(type))", at: rangeSyntax.span, syntax)
            }
        }
        let (slots, (filter, body)) = within(Array(zip(variables, [first, second]))) { checker in
            let filter = filterSyntax.map { checker.condition($0, "the condition of \(kind.rawValue)()") }
            return switch kind {
            case .all, .exists, .existsOne, .filter: (filter, checker.condition(bodySyntax, "\(kind.rawValue)()"))
            case .map, .transformList, .transformMap: (filter, checker.check(bodySyntax))
            }
        }
        let type: Type =
            switch kind {
            case .all, .exists, .existsOne: .bool
            case .filter: .list(first)
            case .map, .transformList: .list(body.type)
            case .transformMap: .map(first, body.type)
            }
        return node(.loop(kind, range: range, slots: slots, filter: filter, body: body), syntax, type)
    }

    /// Looks at the body of a macro, for which its variables are there.
    private mutating func within<Body>(
        _ variables: [(name: String, type: Type)], _ body: (inout Checker) -> Body
    ) -> (LoopSlots, Body) {
        let slots = LoopSlots(names: variables.map(\.name), first: loopLevel * Self.slotsPerLoop + 4)
        loopLevel += 1
        for (number, variable) in variables.enumerated() {
            locals.append(Local(name: variable.name, slot: slots.first + number, type: variable.type))
        }
        defer {
            locals.removeLast(variables.count)
            loopLevel -= 1
        }
        return (slots, body(&self))
    }

    // MARK: Optional values

    private func optional(_ type: Type) -> Type { unifier.substitute(type).asOptional }

    /// What an optional is of; nil after reporting that the value is none.
    private mutating func unwrapped(_ value: Expression, _ what: String, at span: Span) -> Type? {
        switch unifier.substitute(value.type) {
        case .optional(let inner): return inner
        case .dyn, .parameter: return .dyn
        case let type:
            if environment.isUnchecked { return .dyn }
            diagnostics.report(
                "\(what) needs an optional value, got \(name(type))", hint: "optional.of(x) makes one, and so does x.?field",
                at: span)
            return nil
        }
    }

    private mutating func checkElement(_ valueSyntax: Syntax, _ syntax: Syntax) -> Expression {
        let value = check(valueSyntax)
        let type = unwrapped(value, "'?'", at: valueSyntax.span)
        return node(.optionalElement(value), syntax, type ?? .dyn)
    }

    private mutating func checkOptionalMap(
        _ operand: Syntax, _ variable: String, _ bodySyntax: Syntax, isFlat: Bool, _ syntax: Syntax
    ) -> Expression {
        let name = isFlat ? "optFlatMap()" : "optMap()"
        let target = check(operand)
        let inner = unwrapped(target, name, at: operand.span) ?? .dyn
        let (slots, body) = within([(variable, inner)]) { $0.check(bodySyntax) }
        let type = isFlat ? unwrapped(body, name, at: bodySyntax.span) ?? .dyn : body.type
        return node(.optionalMap(target, slots: slots, body: body, isFlat: isFlat), syntax, .optional(type))
    }
}
