/// Reads tokens into a tree: precedence climbing for operators, so that one level of nesting costs few stack frames.
struct Parser {
    private let tokens: [Token]
    private var position = 0
    private var nesting = 0
    private let limits: Limits
    private(set) var diagnostics: Diagnostics

    /// The error was reported; who catches it skips to where it can go on.
    private struct Stop: Error {}

    private static let reserved: Set<String> = [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace",
        "return", "var", "void", "while",
    ]

    private init(tokens: [Token], limits: Limits, diagnostics: Diagnostics) {
        self.tokens = tokens
        self.limits = limits
        self.diagnostics = diagnostics
    }

    /// - Throws: every error of the text that could be found.
    static func parse(_ source: Source, limits: Limits) throws(CompilationFailure) -> Syntax {
        guard source.scalars.count <= limits.sourceLength else {
            var diagnostics = Diagnostics(source: source)
            diagnostics.report(
                "the expression is longer than \(limits.sourceLength) characters",
                at: Span(offset: limits.sourceLength, length: 0))
            throw diagnostics.failure
        }
        var lexer = Lexer(source)
        let tokens = lexer.tokens()
        var parser = Parser(tokens: tokens, limits: limits, diagnostics: lexer.diagnostics)
        do {
            let result = try parser.expression()
            if parser.peek.kind != .end { parser.unexpected() }
            if parser.diagnostics.isEmpty { return result }
        } catch {}
        throw parser.diagnostics.failure
    }

    private var peek: Token { tokens[position] }

    private mutating func advance() -> Token {
        let token = tokens[position]
        if position + 1 < tokens.count { position += 1 }
        return token
    }

    private func at(_ symbol: String) -> Bool { peek.kind == .symbol(symbol) }

    private mutating func accept(_ symbol: String) -> Bool {
        guard at(symbol) else { return false }
        _ = advance()
        return true
    }

    private mutating func expect(_ symbol: String, closing opener: Span? = nil) throws(Stop) -> Span {
        if at(symbol) { return advance().span }
        if let opener, peek.kind == .end {
            let place = diagnostics.source.position(of: opener.offset)
            diagnostics.report("expected '\(symbol)' to close the bracket at \(place)", at: peek.span)
        } else {
            unexpected(wanted: "'\(symbol)'")
        }
        throw Stop()
    }

    private mutating func unexpected(wanted: String? = nil) {
        let token = peek
        let what =
            switch token.kind {
            case .end: "the expression ends too early"
            case .symbol(let symbol): "unexpected '\(symbol)'"
            default: "unexpected '\(diagnostics.source.text(of: token.span))'"
            }
        var hint: String?
        if case .identifier(let name) = token.kind {
            hint = ["and": "'and' is '&&'", "or": "'or' is '||'", "not": "'not' is '!'"][name]
        }
        diagnostics.report(what + (wanted.map { ", expected \($0)" } ?? ""), hint: hint, at: token.span)
    }

    private mutating func node(_ kind: Syntax.Kind, _ span: Span, over children: Syntax...) throws(Stop) -> Syntax {
        try node(kind, span, over: children)
    }

    private mutating func node(_ kind: Syntax.Kind, _ span: Span, over children: [Syntax]) throws(Stop) -> Syntax {
        let depth = 1 + (children.map(\.depth).max() ?? 0)
        if depth > limits.depth { throw tooDeep(at: span) }
        return Syntax(kind: kind, span: span, depth: depth)
    }

    private mutating func tooDeep(at span: Span) -> Stop {
        diagnostics.report("the expression is nested more than \(limits.depth) levels deep", at: span)
        return Stop()
    }

    // MARK: Operators

    private mutating func expression() throws(Stop) -> Syntax {
        nesting += 1
        defer { nesting -= 1 }
        if nesting > limits.depth { throw tooDeep(at: peek.span) }
        let condition = try disjunction()
        guard accept("?") else { return condition }
        let yes = try disjunction()
        _ = try expect(":")
        let no = try expression()
        return try node(.conditional(condition, yes, no), condition.span.union(no.span), over: condition, yes, no)
    }

    private mutating func disjunction() throws(Stop) -> Syntax {
        var parts = [try conjunction()]
        while accept("||") { parts.append(try conjunction()) }
        return try chain(parts, Syntax.Kind.or)
    }

    private mutating func conjunction() throws(Stop) -> Syntax {
        var parts = [try operation(minimum: 1)]
        while accept("&&") { parts.append(try operation(minimum: 1)) }
        return try chain(parts, Syntax.Kind.and)
    }

    private mutating func chain(_ parts: [Syntax], _ make: ([Syntax]) -> Syntax.Kind) throws(Stop) -> Syntax {
        guard let last = parts.last, parts.count > 1 else { return parts[0] }
        return try node(make(parts), parts[0].span.union(last.span), over: parts)
    }

    private mutating func operation(minimum: Int) throws(Stop) -> Syntax {
        var left = try unary()
        while let symbol = binaryOperator(), symbol.precedence >= minimum {
            _ = advance()
            let right = try operation(minimum: symbol.precedence + 1)
            left = try node(.binary(symbol, left, right), left.span.union(right.span), over: left, right)
        }
        return left
    }

    private func binaryOperator() -> BinaryOperator? {
        switch peek.kind {
        case .symbol(let symbol): BinaryOperator(rawValue: symbol)
        case .identifier("in"): .isIn
        default: nil
        }
    }

    private mutating func unary() throws(Stop) -> Syntax {
        var operators: [(UnaryOperator, Span)] = []
        while case .symbol(let symbol) = peek.kind, let sign = UnaryOperator(rawValue: symbol) {
            operators.append((sign, advance().span))
            if operators.count > limits.depth { throw tooDeep(at: peek.span) }
        }
        var result: Syntax
        if let (sign, span) = operators.last, sign == .negate, let negative = negativeNumber(sign: span) {
            operators.removeLast()
            result = try postfix(negative)
        } else {
            result = try postfix(try primary())
        }
        for (sign, span) in operators.reversed() {
            result = try node(.unary(sign, result), span.union(result.span), over: result)
        }
        return result
    }

    /// The sign belongs to the number, else the smallest int could not be written.
    private mutating func negativeNumber(sign: Span) -> Syntax? {
        let token = peek
        let value: Value
        switch token.kind {
        case .int(let magnitude):
            if magnitude == UInt(bitPattern: Int.min) {
                value = .int(Int.min)
            } else if let positive = Int(exactly: magnitude) {
                value = .int(-positive)
            } else {
                return nil
            }
        case .double(let number): value = .double(-number)
        default: return nil
        }
        _ = advance()
        return Syntax(kind: .literal(value), span: sign.union(token.span), depth: 1)
    }

    // MARK: Members

    private mutating func postfix(_ start: Syntax) throws(Stop) -> Syntax {
        var result = start
        while true {
            if accept(".") {
                let isOptional = accept("?")
                let token = advance()
                let field: String
                let mayCall: Bool
                switch token.kind {
                case .identifier(let name) where name != "in" && name != "true" && name != "false" && name != "null":
                    (field, mayCall) = (name, !isOptional)
                case .quoted(let name): (field, mayCall) = (name, false)
                default:
                    position -= token.kind == .end ? 0 : 1
                    unexpected(wanted: "a field name")
                    throw Stop()
                }
                if mayCall, at("(") {
                    let (arguments, end) = try bracketed("(", ")")
                    result = try call(field, token.span, target: result, arguments, end)
                } else {
                    result = try node(
                        isOptional ? .optionalSelect(result, field: field) : .select(result, field: field),
                        result.span.union(token.span), over: result)
                }
            } else if at("[") {
                let opener = advance().span
                let isOptional = accept("?")
                let key = try expression()
                let end = try expect("]", closing: opener)
                result = try node(
                    isOptional ? .optionalIndex(result, key) : .index(result, key), result.span.union(end), over: result, key)
            } else {
                return result
            }
        }
    }

    private mutating func primary() throws(Stop) -> Syntax {
        let token = peek
        switch token.kind {
        case .int(let magnitude):
            _ = advance()
            guard let value = Int(exactly: magnitude) else {
                diagnostics.report("the number does not fit int", hint: "write it as uint (5u) or double (5.0)", at: token.span)
                return Syntax(kind: .broken, span: token.span, depth: 1)
            }
            return literal(.int(value), token)
        case .uint(let value): return literal(.uint(value), advance())
        case .double(let value): return literal(.double(value), advance())
        case .string(let value): return literal(.string(value), advance())
        case .bytes(let value): return literal(.bytes(value), advance())
        case .identifier(let name): return try named(name, token)
        case .symbol("."):
            _ = advance()
            guard case .identifier(let name) = peek.kind, !Self.reserved.contains(name) else {
                unexpected(wanted: "a name")
                throw Stop()
            }
            let second = advance()
            let span = token.span.union(second.span)
            guard at("(") else { return Syntax(kind: .name(name, rooted: true), span: span, depth: 1) }
            let (arguments, end) = try bracketed("(", ")")
            return try node(
                .call(function: name, nameSpan: span, target: nil, rooted: true, arguments: arguments), span.union(end),
                over: arguments)
        case .symbol("("):
            _ = advance()
            let inner = try expression()
            let end = try expect(")", closing: token.span)
            return Syntax(kind: inner.kind, span: token.span.union(end), depth: inner.depth, isGrouped: true)
        case .symbol("["):
            let (elements, end) = try bracketed("[", "]", isList: true)
            return try node(.list(elements), token.span.union(end), over: elements)
        case .symbol("{"): return try mapLiteral()
        default:
            unexpected(wanted: "a value")
            throw Stop()
        }
    }

    private func literal(_ value: Value, _ token: Token) -> Syntax {
        Syntax(kind: .literal(value), span: token.span, depth: 1)
    }

    private mutating func named(_ name: String, _ token: Token) throws(Stop) -> Syntax {
        switch name {
        case "true": return literal(.bool(true), advance())
        case "false": return literal(.bool(false), advance())
        case "null": return literal(.null, advance())
        case "in":
            unexpected(wanted: "a value")
            throw Stop()
        default: break
        }
        _ = advance()
        if Self.reserved.contains(name) {
            diagnostics.report("'\(name)' is a reserved word", at: token.span)
        }
        guard at("(") else { return Syntax(kind: .name(name, rooted: false), span: token.span, depth: 1) }
        let (arguments, end) = try bracketed("(", ")")
        let span = token.span.union(end)
        if name == "has", arguments.count == 1 {
            guard case .select(let operand, let field) = arguments[0].kind else {
                diagnostics.report("has() takes a field: has(a.b)", at: arguments[0].span)
                return Syntax(kind: .broken, span: span, depth: 1)
            }
            return try node(.has(operand, field: field), span, over: operand)
        }
        return try node(
            .call(function: name, nameSpan: token.span, target: nil, rooted: false, arguments: arguments), span, over: arguments)
    }

    /// Elements between brackets: arguments, or those of a list, which may be optional and end in a comma. An error within one is reported, and
    /// reading goes on at the next comma.
    private mutating func bracketed(
        _ open: String, _ close: String, isList: Bool = false
    ) throws(Stop) -> ([Syntax], Span) {
        let opener = try expect(open)
        var elements: [Syntax] = []
        while !at(close) {
            if !elements.isEmpty {
                _ = try separator(close, opener)
                if isList, at(close) { break }
            }
            let start = position
            do {
                elements.append(try isList ? element() : expression())
            } catch {
                try skip()
                elements.append(Syntax(kind: .broken, span: tokens[start].span, depth: 1))
            }
        }
        return (elements, try expect(close, closing: opener))
    }

    /// An element of a list, which may be there or not.
    private mutating func element() throws(Stop) -> Syntax {
        let mark = peek.span
        guard accept("?") else { return try expression() }
        let value = try expression()
        return try node(.optionalElement(value), mark.union(value.span), over: value)
    }

    private mutating func separator(_ close: String, _ opener: Span) throws(Stop) -> Bool {
        if accept(",") { return true }
        if peek.kind == .end { return try expect(close, closing: opener).length > 0 }
        unexpected(wanted: "',' or '\(close)'")
        try skip()
        if accept(",") { return true }
        if at(close) { return false }
        throw Stop()
    }

    /// To the next comma or closing bracket of this level.
    private mutating func skip() throws(Stop) {
        var open = 0
        while true {
            switch peek.kind {
            case .end: throw Stop()
            case .symbol("("), .symbol("["), .symbol("{"): open += 1
            case .symbol(")"), .symbol("]"), .symbol("}"):
                if open == 0 { return }
                open -= 1
            case .symbol(","): if open == 0 { return }
            default: break
            }
            _ = advance()
        }
    }

    private mutating func mapLiteral() throws(Stop) -> Syntax {
        let opener = advance().span
        var entries: [(key: Syntax, value: Syntax)] = []
        while !at("}") {
            if !entries.isEmpty {
                _ = try separator("}", opener)
                if at("}") { break }
            }
            let isOptional = accept("?")
            let key = try expression()
            _ = try expect(":")
            let value = try expression()
            entries.append((key, isOptional ? try node(.optionalElement(value), value.span, over: value) : value))
        }
        let end = try expect("}", closing: opener)
        return try node(.map(entries), opener.union(end), over: entries.flatMap { [$0.key, $0.value] })
    }

    // MARK: Macros

    private mutating func call(
        _ name: String, _ nameSpan: Span, target: Syntax, _ arguments: [Syntax], _ end: Span
    ) throws(Stop) -> Syntax {
        let span = target.span.union(end)
        if let loop = try macro(name, target: target, arguments, span) { return loop }
        if let binding = try binding(name, target: target, arguments, span) { return binding }
        return try node(
            .call(function: name, nameSpan: nameSpan, target: target, rooted: false, arguments: arguments), span,
            over: [target] + arguments)
    }

    private mutating func macro(
        _ name: String, target: Syntax, _ arguments: [Syntax], _ span: Span
    ) throws(Stop) -> Syntax? {
        let kind: Loop.Kind
        let variables: Int
        let filtered: Bool
        switch (name, arguments.count) {
        case ("all", 2), ("all", 3): (kind, variables, filtered) = (.all, arguments.count - 1, false)
        case ("exists", 2), ("exists", 3): (kind, variables, filtered) = (.exists, arguments.count - 1, false)
        case ("exists_one", 2), ("exists_one", 3), ("existsOne", 2), ("existsOne", 3):
            (kind, variables, filtered) = (.existsOne, arguments.count - 1, false)
        case ("map", 2): (kind, variables, filtered) = (.map, 1, false)
        case ("map", 3): (kind, variables, filtered) = (.map, 1, true)
        case ("filter", 2): (kind, variables, filtered) = (.filter, 1, false)
        case ("transformList", 3): (kind, variables, filtered) = (.transformList, 2, false)
        case ("transformList", 4): (kind, variables, filtered) = (.transformList, 2, true)
        case ("transformMap", 3): (kind, variables, filtered) = (.transformMap, 2, false)
        case ("transformMap", 4): (kind, variables, filtered) = (.transformMap, 2, true)
        default: return nil
        }
        var names: [String] = []
        for argument in arguments.prefix(variables) {
            guard let name = variable(argument, of: kind.rawValue) else { return Syntax(kind: .broken, span: span, depth: 1) }
            if names.contains(name) { diagnostics.report("the variable '\(name)' stands twice", at: argument.span) }
            names.append(name)
        }
        let filter = filtered ? arguments[variables] : nil
        let body = arguments[arguments.count - 1]
        return try node(
            .loop(kind, range: target, variables: names, filter: filter, body: body), span,
            over: [target, body] + (filter.map { [$0] } ?? []))
    }

    private mutating func variable(_ syntax: Syntax, of macro: String) -> String? {
        if case .name(let name, rooted: false) = syntax.kind { return name }
        diagnostics.report("\(macro)() needs a plain name for its variable here", at: syntax.span)
        return nil
    }

    /// The macros that name one value: `cel.bind(x, value, body)`, `optional.optMap(x, body)` and `optional.optFlatMap(x, body)`.
    private mutating func binding(
        _ name: String, target: Syntax, _ arguments: [Syntax], _ span: Span
    ) throws(Stop) -> Syntax? {
        let broken = Syntax(kind: .broken, span: span, depth: 1)
        switch (name, arguments.count) {
        case ("bind", _):
            guard case .name("cel", _) = target.kind else { return nil }
            guard arguments.count == 3 else {
                diagnostics.report("cel.bind() takes a name, its value and what is made of it: cel.bind(x, value, …)", at: span)
                return broken
            }
            guard let variable = variable(arguments[0], of: "cel.bind") else { return broken }
            return try node(
                .bind(variable: variable, value: arguments[1], body: arguments[2]), span, over: arguments[1], arguments[2])
        case ("optMap", 2), ("optFlatMap", 2):
            guard let variable = variable(arguments[0], of: name) else { return broken }
            return try node(
                .optionalMap(target, variable: variable, body: arguments[1], isFlat: name == "optFlatMap"), span,
                over: target, arguments[1])
        default: return nil
        }
    }
}
