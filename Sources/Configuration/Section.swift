/// The mappings of a configuration and the keys each of them knows. The parser, `share/nudged.schema.json` and
/// `docs/configuration.md` are held to this one list by tests.
package enum Section: String, CaseIterable, Sendable {
    case configuration, included, outbox, source, format, event, time, carts, waitlist
    case rule, trigger, conversion
    case delivery, channel, consent
    case quietHours = "quiet_hours"
    case cap
    case retention, safety

    package var keys: [String] {
        switch self {
        case .configuration:
            [
                "instance", "state", "outbox", "sources", "lateness", "clock", "max_future", "late_for", "dedupe",
                "max_line_bytes",
                "publish_from", "carts", "waitlist", "segments", "rules", "calendars", "include", "delivery", "templates",
                "retention", "identity", "memory", "metrics", "secret_file", "safety",
            ]
        case .included: ["segments", "rules", "calendars", "include"]
        case .outbox: ["path", "claim_timeout", "max_pending", "keep"]
        case .source: ["name", "path", "format", "lateness"]
        case .format: ["id", "customer", "anonymous", "received", "event", "time", "names", "properties"]
        case .event: ["always"]
        case .time: ["path", "unit"]
        case .carts, .waitlist: ["forget"]
        case .rule:
            [
                "per", "start", "wait", "restart", "cancel", "if", "cooldown", "expires", "priority", "audience", "limit", "pace",
                "data", "include", "outbox", "channels", "topic", "tag", "tags", "exempt", "uncounted", "on_cap", "holdout",
                "variants", "experiment", "send_time", "template", "retract", "conversion",
            ]
        case .trigger: ["event", "where", "enters", "leaves", "calendar", "before", "at"]
        case .conversion: ["event", "within"]
        case .delivery: ["channels", "consent", "timezone", "quiet_hours", "caps", "holdout", "salt", "send_time"]
        case .channel: ["name", "outbox"]
        case .consent: ["default"]
        case .quietHours: ["from", "to"]
        case .cap: ["at_most", "per", "tag", "channel"]
        case .retention: ["profiles", "decisions", "messages", "dead_letters", "max_dead_letters"]
        case .safety: ["at_most", "per"]
        }
    }

    /// How messages call such a mapping: "in a rule".
    var title: String {
        switch self {
        case .configuration: "a configuration"
        case .included: "an included file"
        case .outbox: "an outbox"
        case .source: "a source"
        case .format: "a format"
        case .event: "`event`"
        case .time: "`time`"
        case .carts: "`carts`"
        case .waitlist: "`waitlist`"
        case .rule: "a rule"
        case .trigger: "an entry of `start` or `cancel`"
        case .conversion: "`conversion`"
        case .delivery: "`delivery`"
        case .channel: "a channel"
        case .consent: "`consent`"
        case .quietHours: "`quiet_hours`"
        case .cap: "a cap"
        case .retention: "`retention`"
        case .safety: "`safety`"
        }
    }
}
