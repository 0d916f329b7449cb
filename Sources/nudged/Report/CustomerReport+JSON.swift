import Engine
import Storage

/// For programs.
extension CustomerReport {
    /// What a program asks of a customer: the profile, and the last decisions and messages.
    var json: CanonicalJSON {
        .object(profile + [("decisions", DecisionTable.make(decisions).json), ("messages", MessageTable.make(messages).json)])
    }

    /// Everything a profile holds.
    ///
    /// - Parameter movedIDs: ids against duplicates that are kept beside the record.
    func completeJSON(movedIDs: [SeenID]) -> CanonicalJSON { .object(profile + kept(movedIDs)) }

    private typealias Members = [(key: String, value: CanonicalJSON)]

    private var profile: Members {
        let profile = inspection.profile
        let rules = inspection.rules.rules
        return [
            ("id", .string(record.text)), ("first_seen", .time(record.firstSeen)), ("last_seen", .time(record.lastSeen)),
            ("locale", .text(record.locale)), ("timezone", .text(record.timezone)),
            ("anonymous_ids", .array(profile.links.map { .string(String(decoding: $0, as: UTF8.self)) })),
            ("traits", CanonicalJSON(stored: record.traits).dating(["at"])),
            ("carts", .array(carts.map(Self.cart))),
            ("interests", CanonicalJSON.array(interests).dating(["since", "last"])),
            (
                "subscriptions",
                CanonicalJSON(stored: record.subscriptions).dating([
                    "status_at", "issue_since", "last_failure", "last_success", "grace_ends", "next_attempt",
                ])
            ),
            ("segments", CanonicalJSON(stored: record.segments).dating(["entered_at"])),
            ("running", CanonicalJSON(stored: record.timers).dating(["started_at", "due", "held_since", "awaited_hour"])),
            (
                "windows",
                .array(
                    inspection.windows.map {
                        .object([
                            ("what", .string(Self.title($0))), ("value", .string($0.value)), ("window", .string(Self.length($0))),
                        ])
                    })
            ),
            (
                "events",
                .array(
                    profile.marks.map {
                        .object([
                            ("event", .string(inspection.rules.marks[$0.definition])), ("first", .time($0.first)),
                            ("last", .time($0.last)),
                        ])
                    })
            ),
            ("consent", Self.consent(profile.consent)), ("sent", .array(profile.sends.map(Self.send))),
            (
                "cooldowns",
                .array(profile.sent.map { .object([("rule", .string(rules[$0.rule].name)), ("since", .time($0.at))]) })
            ),
            (
                "active_hours",
                .array(
                    profile.activity.cells.map {
                        .object([
                            ("week_from", .time(Instant($0.week) * 7 * 86_400_000)), ("hour", .number(Double($0.hour))),
                            ("events", .number(Double($0.count))),
                        ])
                    })
            ),
        ]
    }

    /// What only the program itself needs.
    private func kept(_ movedIDs: [SeenID]) -> Members {
        let profile = inspection.profile
        let rules = inspection.rules.rules
        return [
            ("locale_since", .time(profile.locale?.at)), ("timezone_since", .time(profile.timezone?.at)),
            ("buckets", .array(inspection.windows.flatMap(Self.buckets))),
            (
                "calendar_days",
                .array(
                    profile.calendarDays.map {
                        .object([
                            ("rule", .string(rules[$0.rule].name)),
                            ("start", .string(Self.hexadecimal(UInt64(bitPattern: $0.trigger)))),
                            ("day", .string(String(Instant($0.day * 86_400_000).rfc3339.prefix(10)))),
                        ])
                    })
            ),
            (
                "ended",
                .array(
                    profile.past.map {
                        .object([
                            ("rule", .string(rules[$0.rule].name)), ("key", .text($0.key)), ("last_cancel", .time($0.lastCancel)),
                            ("starts", .array($0.endedStarts.map { .time($0) })), ("kept_from", .time($0.keptFrom)),
                        ])
                    })
            ),
            (
                "ended_products",
                .array(
                    profile.ended.entries.map { .object([("hash", .string(Self.hexadecimal($0.hash))), ("at", .time($0.at))]) })
            ),
            (
                "counted_ids",
                .array(
                    (movedIDs + profile.seen.entries).map {
                        .object([
                            ("hash", .string(Self.hexadecimal($0.digest.high) + Self.hexadecimal($0.digest.low))),
                            ("at", .time($0.at)),
                        ])
                    })
            ),
        ]
    }

    private static func cart(_ cart: CanonicalJSON) -> CanonicalJSON {
        guard case .object(let members) = CanonicalJSON.array([cart]).dating(["touched_at", "snapshot_at"]).elements.first else {
            return cart
        }
        return .object(
            members.map { ($0.key, $0.key == "items" ? $0.value.dating(["changed_at", "described_at", "since"]) : $0.value) })
    }

    private static func consent(_ consent: Consent) -> CanonicalJSON {
        func scope(_ scope: ConsentScope) -> Members { [("channel", .text(scope.channel)), ("topic", .text(scope.topic))] }
        return .object([
            (
                "statements",
                .array(
                    consent.statements.map { statement in
                        .object(
                            scope(statement.scope) + [
                                ("granted", .bool(statement.isGranted)), ("at", .time(statement.at)),
                                ("granted_again", .array(statement.exceptions.map { .object(scope($0)) })),
                                ("before_joining", .bool(statement.isSettled)),
                            ])
                    })
            ),
            ("bounced_at", .time(consent.bouncedAt)), ("spam_at", .time(consent.spamAt)), ("joined_at", .time(consent.joinedAt)),
            ("suppressed", .text(consent.suppression?.0.rawValue)),
        ])
    }

    private static func send(_ send: Send) -> CanonicalJSON {
        .object([
            ("at", .time(send.at)), ("started_at", .time(send.startedAt)), ("rule", .string(send.rule)),
            ("key", .string(send.key)),
            ("channel", .text(send.channel)), ("variant", .text(send.variant)), ("tags", .array(send.tags.map { .string($0) })),
            ("id", .string(send.id)), ("held_out", .bool(send.isHoldout)), ("withdrawn", .bool(send.isWithdrawn)),
            ("converted", .bool(send.isConverted)), ("counts_for_caps", .bool(!send.isUncounted)),
        ])
    }

    private static func buckets(_ window: Inspection.WindowValue) -> [CanonicalJSON] {
        let definition = window.series
        func bucket(_ index: Int32, _ members: Members) -> CanonicalJSON {
            .object(
                [
                    ("event", .string(definition.event)), ("property", .string(definition.property)),
                    ("statistic", .string(definition.statistic.rawValue)),
                    ("from", .time(definition.width.milliseconds.map { Instant(index) * $0 })),
                ] + members)
        }
        return window.kept.counts.map { bucket($0.index, [("count", .number(Double($0.count)))]) }
            + window.kept.buckets.map { entry in
                switch definition.statistic {
                case .count, .sum:
                    bucket(
                        entry.index,
                        [
                            ("count", .number(Double(entry.count))), ("sum", .string(entry.sum.text)),
                            ("low", .string(entry.low.text)), ("high", .string(entry.high.text)),
                        ])
                case .distinct, .top:
                    bucket(
                        entry.index,
                        [
                            ("count", .number(Double(entry.count))),
                            ("value", CanonicalJSON(JSONView(bytes: entry.value, offset: 0))),
                        ])
                case .ordered: bucket(entry.index, [("product", .string(String(decoding: entry.value, as: UTF8.self)))])
                }
            }
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension CanonicalJSON {
    /// RFC 3339; null if there is none.
    static func time(_ instant: Instant?) -> CanonicalJSON { instant.map { .string($0.rfc3339) } ?? .null }
    static func text(_ text: String?) -> CanonicalJSON { text.map { .string($0) } ?? .null }

    /// A stored list, with these members of its elements as times instead of milliseconds.
    fileprivate func dating(_ keys: Set<String>) -> CanonicalJSON {
        guard case .array(let elements) = self else { return self }
        return .array(
            elements.map { element in
                guard case .object(let members) = element else { return element }
                return .object(members.map { ($0.key, keys.contains($0.key) ? .time($0.value.instant) : $0.value) })
            })
    }
}
