import CEL

/// What a condition may mention (`rules.md`, Conditions): the variables, their fields, and the functions on `profile`.
package enum ConditionEnvironment {
    /// Where a condition stands decides which variables it has.
    package enum Place: Sendable { case segment, rule }

    private static let window = Parameter(.string, literal: true) { value in
        guard case .string(let text) = value, let span = DurationLiteral.parse(text), span > 0 else {
            return "a window is a duration such as \"24h\" or \"7d\""
        }
        return span > 3660 * 86_400_000 ? "a window can be at most ten years" : nil
    }
    private static let name = Parameter(.string, literal: true) { value in
        if case .string(let text) = value, !text.isEmpty { nil } else { "an event's or property's name is needed here" }
    }

    /// What is kept of events of one name, over a window or for ever.
    private static let statistics: [(function: String, parameters: [Parameter], result: Type)] =
        [("count", [name], .int)] + ["sum", "min", "max", "avg"].map { ($0, [name, name], .double) }
        + [("distinct", [name, name], .int), ("top", [name, name], .dyn)]
    /// When and whether events of one name happened.
    private static let times: [(function: String, result: Type)] = [
        ("ever", .bool), ("first", .timestamp), ("last", .timestamp), ("since", .duration),
    ]
    /// The functions whose first argument is the name of an event.
    static let eventFunctions = Set(statistics.map(\.function) + times.map(\.function))

    package static func make(_ place: Place, segments: [String], timeZone: @escaping @Sendable (String) -> TimeZone?)
        -> Environment
    {
        var environment = Environment(timeZone: timeZone)
        let profile = Type.structure("Profile")
        environment.declare(
            Structure(
                "Profile",
                fields: [
                    ("id", .string), ("anonymous", .bool), ("first_seen", .timestamp), ("last_seen", .timestamp),
                    ("locale", .string),
                    ("timezone", .string), ("traits", .map(.string, .dyn)), ("segments", .list(.string)),
                ]))
        environment.declare("profile", profile)
        func windowed(_ name: String, _ parameters: [Parameter], _ result: Type) {
            environment.declare(
                HostFunction(
                    name,
                    [
                        Overload(target: profile, parameters, result), Overload(target: profile, parameters + [window], result),
                    ]))
        }
        for (function, parameters, result) in statistics { windowed(function, parameters, result) }
        windowed("ordered", [Parameter(.string)], .bool)
        for (function, result) in times {
            environment.declare(HostFunction(function, [Overload(target: profile, [name], result)]))
        }
        let segment = Parameter(.string, literal: true) { value in
            guard case .string(let text) = value else { return "a segment's name is needed here" }
            return segments.contains { $0.same(as: text) } ? nil : "there is no segment \"\(text)\""
        }
        environment.declare(HostFunction("member", [Overload(target: profile, [segment], .bool)]))
        let number = Parameter(.dyn)
        environment.declare(HostFunction("distance", [Overload([number, number, number, number], .double)]))
        environment.declare(HostFunction("days", [Overload([Parameter(.int)], .duration)]))
        environment.declare(HostFunction("money", [Overload([number], .string)]))
        guard place == .rule else { return environment }

        environment.declare(
            Structure(
                "Event",
                fields: [("name", .string), ("id", .string), ("time", .timestamp), ("properties", .map(.string, .dyn))]))
        environment.declare(
            Structure(
                "Cart",
                fields: [
                    ("id", .string), ("items", .list(.map(.string, .dyn))), ("total", .double), ("currency", .string),
                    ("updated_at", .timestamp),
                ]))
        environment.declare(
            Structure(
                "Product",
                fields: [
                    ("id", .string), ("variant", .string), ("available", .double), ("was_available", .double), ("price", .double),
                    ("was_price", .double), ("currency", .string), ("name", .string), ("url", .string), ("image_url", .string),
                ]))
        environment.declare(
            Structure(
                "Subscription",
                fields: [
                    ("id", .string), ("status", .string), ("issue_open", .bool), ("issue_since", .timestamp), ("attempts", .int),
                    ("grace_ends", .timestamp), ("next_attempt", .timestamp), ("decline", .string), ("amount", .double),
                    ("currency", .string),
                ]))
        environment.declare(
            Structure(
                "Interest",
                fields: [
                    ("kind", .string), ("since", .timestamp), ("last", .timestamp), ("count", .int), ("price", .double),
                    ("currency", .string),
                ]))
        environment.declare("event", .structure("Event"))
        environment.declare("cart", .structure("Cart"))
        environment.declare("product", .structure("Product"))
        environment.declare("subscription", .structure("Subscription"))
        environment.declare("interest", .structure("Interest"))
        environment.declare("now", .timestamp)
        return environment
    }
}
