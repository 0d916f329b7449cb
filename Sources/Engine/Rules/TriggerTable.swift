/// One way in which an event name, or a change of a segment, starts or cancels a rule.
package struct Trigger: Sendable {
    package enum Action: Sendable { case start, cancel }

    package let rule: Int
    package let action: Action
    package let condition: Condition?
}

/// Triggers of one event with one condition.
struct TriggerGroup: Sendable {
    let condition: Condition?
    /// Into the event's triggers, ascending.
    var places: [Int]

    static func make(_ triggers: [Trigger], where isMeant: (Trigger) -> Bool) -> [TriggerGroup] {
        var groups: [TriggerGroup] = []
        var known: [Int: Int] = [:]
        for place in triggers.indices where isMeant(triggers[place]) {
            let condition = triggers[place].condition
            let number = condition?.number ?? -1
            if let group = known[number] {
                groups[group].places.append(place)
            } else {
                known[number] = groups.count
                groups.append(TriggerGroup(condition: condition, places: [place]))
            }
        }
        return groups
    }
}

/// A start at a moment before each of a calendar's dates.
package struct CalendarTrigger: Sendable {
    package let rule: Int
    /// Tells apart several starts of one rule, wherever they stand in its list.
    package let id: Int64
    /// As in `CalendarDefinition`.
    package let days: [String: [Int]]
    /// So long before the date, in whole days and the rest.
    package let before: Milliseconds
    /// At the customer's.
    package let minuteOfDay: Int
    /// Whose members start; empty: everybody.
    package let segments: [Int]

    static func id(calendar: String, before: Milliseconds, minuteOfDay: Int) -> Int64 {
        Int64(bitPattern: StableHash.of("\(calendar) \(before) \(minuteOfDay)"))
    }
}

/// Which rules events, changes of segments and calendars start or cancel.
package struct TriggerTable: Sendable {
    /// By event name: cancels before starts, rules in their order.
    let byEvent: [[Trigger]]
    /// By segment.
    let entering: [[Trigger]]
    let leaving: [[Trigger]]
    let calendars: [CalendarTrigger]
    /// By event name: its triggers by what they ask, so that what many rules ask is judged once and passed over at once. A rule with an audience is
    /// started by product events only, any other by its customer's own.
    private let groups: [(cancels: [TriggerGroup], starts: [TriggerGroup], audienceStarts: [TriggerGroup])]

    init(
        byEvent: [[Trigger]], entering: [[Trigger]], leaving: [[Trigger]], calendars: [CalendarTrigger], rules: [Rule]
    ) {
        self.byEvent = byEvent
        self.entering = entering
        self.leaving = leaving
        self.calendars = calendars
        groups = byEvent.map { triggers in
            (
                TriggerGroup.make(triggers) { $0.action == .cancel },
                TriggerGroup.make(triggers) { $0.action == .start && !rules[$0.rule].hasAudience },
                TriggerGroup.make(triggers) { $0.action == .start && rules[$0.rule].hasAudience }
            )
        }
    }

    /// What a customer's own event may fire.
    func groups(of event: EventName, _ action: Trigger.Action) -> [TriggerGroup] {
        let groups = groups[Int(event.index)]
        return action == .cancel ? groups.cancels : groups.starts
    }

    /// What a product's event may start.
    func audienceStarts(of event: EventName) -> [TriggerGroup] { groups[Int(event.index)].audienceStarts }
}
