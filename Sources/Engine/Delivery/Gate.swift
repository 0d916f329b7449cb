/// What a gate says of a message that is about to be sent.
package enum GateAnswer: Sendable, Equatable {
    case allow
    /// Judged again at this time, unless the rule's `expires` comes first.
    case hold(until: Instant)
    case drop(Verdict, cause: String)
}

/// One check between an instance whose condition holds and its message (`delivery.md`). Pure: it sees and answers.
///
/// A new gate is a file of its own and a place in `Gates.inOrder`.
package protocol Gate: Sendable {
    /// As `explain` calls it.
    var name: String { get }

    func judge(_ candidate: inout Candidate) -> GateAnswer
}

/// What gates choose for a message.
package struct Choice: Sendable {
    package internal(set) var instance: Instance
    package let rule: Rule
    /// Nil in a configuration without channels.
    package internal(set) var channel: String?
    package internal(set) var variant: String?
}

/// A message that is about to be sent: what gates see, and what they decide of it. It borrows the profile by address, as `Scope` does, and never
/// outlives the call that made it.
package struct Candidate {
    package internal(set) var choice: Choice
    private let address: UnsafePointer<Profile>
    private let rules: RuleSet
    package let now: Instant
    let sha256: @Sendable ([UInt8]) -> [UInt8]

    /// What the gates saw, in their order; empty unless asked for.
    package private(set) var steps: [GateStep] = []
    let isTraced: Bool
    private var seen = ""

    init(
        _ instance: Instance, _ rule: Rule, _ profile: UnsafePointer<Profile>, _ rules: RuleSet, now: Instant,
        sha256: @escaping @Sendable ([UInt8]) -> [UInt8], isTraced: Bool = false
    ) {
        choice = Choice(instance: instance, rule: rule)
        address = profile
        self.rules = rules
        self.now = now
        self.sha256 = sha256
        self.isTraced = isTraced
    }

    package var rule: Rule { choice.rule }
    package var profile: Profile { _read { yield address.pointee } }
    package var policy: DeliveryPolicy { _read { yield rules.delivery } }

    package internal(set) var instance: Instance {
        get { choice.instance }
        _modify { yield &choice.instance }
    }

    package internal(set) var channel: String? {
        get { choice.channel }
        set { choice.channel = newValue }
    }

    package internal(set) var variant: String? {
        get { choice.variant }
        set { choice.variant = newValue }
    }

    /// Notes what a gate goes by, for `explain`; costs nothing when nobody asks.
    mutating func saw(_ text: @autoclosure () -> String) { if isTraced { seen = text() } }

    /// Until when the first gate holds a message that is held already; nil if none does. What would drop it has no say before its release.
    mutating func release(_ gates: [any Gate]) -> Instant? {
        for gate in gates {
            if case .hold(let until) = gate.judge(&self) {
                choice.instance.delays.insert(gate.name)
                return until
            }
        }
        return nil
    }

    /// Asks the gates in their order, up to the first that doesn't allow it.
    mutating func pass(_ gates: [any Gate]) -> GateAnswer {
        for gate in gates {
            let answer = gate.judge(&self)
            if isTraced {
                steps.append(GateStep(gate: gate.name, saw: seen, answer: answer))
                seen = ""
            }
            if case .hold = answer { choice.instance.delays.insert(gate.name) }
            if answer != .allow { return answer }
        }
        return .allow
    }
}

/// One gate's part in a judgement.
package struct GateStep: Sendable, Equatable {
    package var gate: String
    /// In words; empty if the rule and the configuration ask nothing of this gate.
    package var saw: String
    package var answer: GateAnswer
}

/// The gates an instance passed at one moment, for `explain`.
package struct Passage: Sendable {
    package var rule: String
    package var customer: String
    package var key: String
    package var at: Instant
    package var steps: [GateStep]
}

package enum Gates {
    /// In the order of `delivery.md`.
    package static let inOrder: [any Gate] = [
        CooldownGate(), SuppressionGate(), ChannelGate(), VariantGate(), SendTimeGate(), QuietHoursGate(), CapGate(),
        HoldoutGate(),
    ]
}
