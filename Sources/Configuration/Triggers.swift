import Engine

extension Reading {
    /// One entry of `start` or `cancel`: an event's name, `{event, where}`, `{enters}`, `{leaves}` or `{calendar, before, at}`.
    mutating func trigger(_ item: Entry) -> TriggerDefinition? {
        if case .scalar = item.value.content { return word(item).map { .event(name: $0, condition: nil) } }
        guard let fields = fields(item.value, .trigger, called: "an entry of `\(item.name)`") else { return nil }
        let kinds = ["event", "enters", "leaves", "calendar"].compactMap { fields[$0] }
        guard let kind = kinds.first else {
            error(
                item.value.position, "this entry of `\(item.name)` names nothing",
                hint: "It has one of event, enters, leaves and calendar.")
            return nil
        }
        if kinds.count > 1 {
            error(
                kinds[1].key.position,
                "an entry of `\(item.name)` has one of event, enters, leaves and calendar,"
                    + " not both \(kind.name) and \(kinds[1].name)",
                hint: "Make two entries of it.")
            return nil
        }
        for (key, owner) in [("where", "event"), ("before", "calendar"), ("at", "calendar")] {
            if let entry = fields[key], kind.name != owner {
                error(entry.key.position, "`\(key)` goes with `\(owner)`, not with `\(kind.name)`")
            }
        }
        guard let name = word(kind) else { return nil }
        switch kind.name {
        case "event": return .event(name: name, condition: expression(fields["where"]))
        case "enters": return .enters(name)
        case "leaves": return .leaves(name)
        default:
            if item.name == "cancel" {
                error(kind.key.position, "`calendar` starts a rule; it can't cancel one")
                return nil
            }
            return .calendar(
                name: name, before: duration(fields["before"]) ?? 0, minuteOfDay: timeOfDay(fields["at"]) ?? 0)
        }
    }

    /// One entry of `audience`: `waitlist`, `wishlist`, `cart`, `viewed 30d` or `segment NAME`.
    mutating func audience(_ item: Entry) -> AudienceDefinition? {
        guard let text = word(item) else { return nil }
        let value = text.value
        switch value {
        case "waitlist": return .waitlist
        case "wishlist": return .wishlist
        case "cart": return .cart
        case "viewed":
            error(text.position, "`viewed` needs a time", hint: "Write for example viewed 30d.")
            return nil
        case "segment":
            error(text.position, "`segment` needs a name", hint: "Write for example segment frequent-visitor.")
            return nil
        default: break
        }
        let word = value.prefix { $0 != " " }
        let argument = value.dropFirst(word.count).drop { $0 == " " }
        let place = Position(
            file: text.position.file, line: text.position.line,
            column: text.position.column + value.unicodeScalars.count - argument.unicodeScalars.count)
        if word == "viewed", !argument.isEmpty {
            if let within = DurationLiteral.parse(argument), within > 0 { return .viewed(within: within) }
            error(place, "\"\(printable(String(argument)))\" is not a duration above 0", hint: "Write for example viewed 30d.")
            return nil
        }
        if word == "segment", !argument.isEmpty { return .segment(Located(String(argument), at: place)) }
        error(
            text.position, "\"\(printable(value))\" is no audience: it is waitlist, wishlist, cart, viewed 30d or segment NAME",
            hint: guess(String(word), among: ["waitlist", "wishlist", "cart", "viewed", "segment"]).map {
                "Did you mean `\($0)`?"
            })
        return nil
    }
}
