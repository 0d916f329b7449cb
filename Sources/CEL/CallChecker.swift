extension Checker {
    /// A function by one of the names it may have, and its overloads.
    private struct Candidate {
        let host: HostFunction?
        let builtin: Builtin?
        let signatures: [StandardLibrary.Signature]

        var exists: Bool { host != nil || builtin != nil }
    }

    private func find(_ name: String) -> Candidate {
        let standard = StandardLibrary.signatures(of: name)
        return Candidate(
            host: environment.functions[name], builtin: standard?.builtin, signatures: standard?.signatures ?? [])
    }

    mutating func checkCall(
        _ function: String, _ nameSpan: Span, target: Syntax?, rooted: Bool, _ arguments: [Syntax], _ syntax: Syntax
    ) -> Expression {
        if let target {
            // `strings.quote(x)`: what looks like a target may be the first part of the name.
            if let (prefix, isRooted) = qualifiedName(target) {
                for name in environment.candidates(prefix + "." + function, rooted: isRooted) {
                    let candidate = find(name)
                    if candidate.exists {
                        return call(candidate, name, nameSpan, target: nil, arguments.map { check($0) }, syntax)
                    }
                }
            }
            let checkedTarget = check(target)
            let checkedArguments = arguments.map { check($0) }
            // An unknown target has been reported; the function may be all right.
            if case .failure = checkedTarget.kind, !environment.isUnchecked { return node(.failure(""), syntax, .dyn) }
            return call(find(function), function, nameSpan, target: checkedTarget, checkedArguments, syntax)
        }
        let checked = arguments.map { check($0) }
        for name in environment.candidates(function, rooted: rooted) {
            let candidate = find(name)
            if candidate.exists { return call(candidate, name, nameSpan, target: nil, checked, syntax) }
        }
        return call(find(function), function, nameSpan, target: nil, checked, syntax)
    }

    private mutating func call(
        _ candidate: Candidate, _ name: String, _ nameSpan: Span, target: Expression?, _ arguments: [Expression],
        _ syntax: Syntax
    ) -> Expression {
        if let host = candidate.host, let found = hostCall(host, target: target, arguments, syntax) { return found }
        let all = (target.map { [$0] } ?? []) + arguments
        if let builtin = candidate.builtin {
            if builtin == .greatest || builtin == .least {
                if target == nil { return extreme(builtin, arguments, nameSpan, syntax) }
            } else {
                let possible = candidate.signatures.filter { $0.isMember == (target != nil) }
                if environment.isUnchecked {
                    if possible.contains(where: { $0.parameters.count == all.count }) {
                        return node(.call(builtin, all), syntax, .dyn)
                    }
                } else if let type = resolve(possible, all.map(\.type)) {
                    return node(.call(builtin, all), syntax, type)
                }
            }
        }
        return noCall(candidate, name, nameSpan, target: target, arguments, syntax)
    }

    private mutating func hostCall(
        _ host: HostFunction, target: Expression?, _ arguments: [Expression], _ syntax: Syntax
    ) -> Expression? {
        for (index, overload) in host.overloads.enumerated() {
            guard overload.parameters.count == arguments.count, (overload.target == nil) == (target == nil) else { continue }
            var trial = unifier
            if let wanted = overload.target, let target, !environment.isUnchecked, !trial.assign(target.type, to: wanted) {
                continue
            }
            let fits = zip(arguments, overload.parameters).allSatisfy { trial.assign($0.type, to: $1.type) }
            guard fits || environment.isUnchecked else { continue }
            unifier = trial
            var variable: String?
            if case .variable(let name)? = target?.kind { variable = name }
            let call = HostCall(function: host.name, overload: index, variable: variable)
            return node(.hostCall(call, target: target, arguments, index: nil), syntax, overload.result)
        }
        return nil
    }

    /// `math.greatest` and `math.least` take any number of numbers, or one list of them.
    private mutating func extreme(
        _ builtin: Builtin, _ arguments: [Expression], _ nameSpan: Span, _ syntax: Syntax
    ) -> Expression {
        func number(_ type: Type) -> Type? {
            switch type {
            case .int, .uint, .double: type
            case .dyn, .parameter: .dyn
            default: nil
            }
        }
        if environment.isUnchecked { return node(.call(builtin, arguments), syntax, .dyn) }
        guard !arguments.isEmpty else { return failure("\(builtin.rawValue)() needs an argument", at: nameSpan, syntax) }
        if case .list(let elements)? = arguments.first?.kind, arguments.count == 1, elements.isEmpty {
            return failure("\(builtin.rawValue)() needs a list that is not empty", at: nameSpan, syntax)
        }
        var types = arguments.map { unifier.substitute($0.type) }
        if types.count == 1, case .list(let element) = types[0] { types = [unifier.substitute(element)] }
        var result: Type?
        for (place, type) in types.enumerated() {
            guard let type = number(type) else {
                return failure("\(builtin.rawValue)() takes numbers, not \(name(type))", at: arguments[place].span, syntax)
            }
            result = result == nil || result == type ? type : .dyn
        }
        return node(.call(builtin, arguments), syntax, result ?? .dyn)
    }

    private mutating func noCall(
        _ candidate: Candidate, _ name: String, _ nameSpan: Span, target: Expression?, _ arguments: [Expression],
        _ syntax: Syntax
    ) -> Expression {
        guard candidate.exists else {
            let known = StandardLibrary.names + Array(environment.functions.keys) + ["has"]
            return failure(
                "unknown function '\(name)'", hint: macroHint(name) ?? Suggestion.hint(for: name, among: known), at: nameSpan,
                syntax)
        }
        let types = arguments.map { self.name($0.type) }.joined(separator: ", ")
        let shown = (target.map { self.name($0.type) + "." } ?? "") + "\(name)(\(types))"
        var forms: [String] = []
        for signature in candidate.signatures {
            let names = signature.parameters.map(\.name)
            forms.append(
                signature.isMember
                    ? "\(names[0]).\(name)(\(names.dropFirst().joined(separator: ", ")))"
                    : "\(name)(\(names.joined(separator: ", ")))")
        }
        for overload in candidate.host?.overloads ?? [] {
            let names = overload.parameters.map(\.type.name).joined(separator: ", ")
            forms.append((overload.target.map { $0.name + "." } ?? "") + "\(name)(\(names))")
        }
        let hint = forms.isEmpty ? nil : "there is " + forms.prefix(4).joined(separator: ", ")
        return failure("'\(name)' cannot be called as \(shown)", hint: hint, at: nameSpan, syntax)
    }

    private func macroHint(_ name: String) -> String? {
        switch name {
        case "has": "has() takes one field: has(a.b)"
        case "all", "exists", "exists_one", "existsOne", "filter", "map":
            "write it as list.\(name)(x, …), with x for each element"
        case "transformList", "transformMap": "write it as list.\(name)(i, x, …)"
        case "optMap", "optFlatMap": "write it as optional.\(name)(x, …), with x for its value"
        case "bind": "write it as cel.bind(x, value, …)"
        default: nil
        }
    }
}
