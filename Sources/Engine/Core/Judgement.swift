import CEL

extension Engine {
    /// Evaluates one of a rule's conditions for an instance.
    mutating func evaluate(_ condition: Condition, _ slot: Int, _ instance: Instance) -> Evaluation {
        let result = inScope(condition, slot, instance) { condition.program.evaluate($0) }
        if case .error = result { counters.conditionErrors += 1 }
        return result
    }

    /// Gives what one of a rule's conditions may read for an instance.
    mutating func inScope<Result>(
        _ condition: Condition, _ slot: Int, _ instance: Instance, _ body: (Scope) -> Result
    ) -> Result {
        pruneCarts(slot)
        let subject = profiles[slot].subject(of: instance, rules)
        let facts = subject.product.flatMap { productIndex[$0] }.map { products[$0].facts }
        let now = clock.now
        let rules = rules
        return profiles.withUnsafeBufferPointer { profiles in
            let profile = profiles.baseAddress.map { $0 + slot }
            var scope = Scope(condition: condition, rules: rules, profile: profile, now: now)
            scope.eventName = instance.eventName
            scope.eventID = instance.eventID
            scope.eventTime = instance.startedAt
            scope.properties = instance.properties.isEmpty ? nil : JSONView(bytes: instance.properties, offset: 0)
            scope.cartID = subject.cart
            scope.product = subject.product
            scope.facts = facts
            scope.subscriptionID = subject.subscription
            scope.interestKinds = rules.rules[instance.rule].interestKinds
            return body(scope)
        }
    }

    /// An instance's wait (or hold) is over: judges it and ends it, holds it, or puts it back in line.
    mutating func judge(_ slot: Int, _ place: Int) {
        touch(slot)
        let instance = profiles[slot].instances[place]
        let rule = rules.rules[instance.rule]
        if let heldSince = instance.heldSince, clock.now >= heldSince + rule.expires {
            end(slot, place, .expired, cause: holder(slot, place, rule))
            return
        }
        if clock.now > instance.firstDue(rule, now: clock.now) + rule.expires {
            end(slot, place, .expired, cause: "known too late")
            return
        }
        if let condition = rule.condition {
            switch evaluate(condition, slot, instance) {
            case .value(.bool(true)): break
            case .value:
                end(slot, place, .conditionFalse, cause: reason(condition, slot, instance))
                return
            case .error(let error):
                end(slot, place, .conditionError, cause: error.message)
                return
            }
        }
        if rule.hasAudience, let index = instance.product.flatMap({ productIndex[$0] }),
            !hasShare(instance, profiles[slot].number, index)
        {
            requeue(slot, place, index)
            return
        }
        // Installed on old logs, the program builds state from them, but nobody wants the reminders of last month.
        if let publishFrom, clock.now < publishFrom {
            end(slot, place, .expired, cause: "decided before publish_from")
            return
        }
        deliver(slot, place, rule)
    }
}

extension Profile {
    /// The cart, product and subscription an instance is about: its key's, else those its starting event named.
    func subject(of instance: Instance, _ rules: RuleSet) -> (cart: String?, product: ProductKey?, subscription: String?) {
        let per = rules.rules[instance.rule].per
        let properties = instance.properties.isEmpty ? nil : JSONView(bytes: instance.properties, offset: 0)
        func target() -> String {
            instance.eventName.same(as: StateEvent.orderCompleted.name)
                ? carts.target(afterOrder: properties) : carts.target(of: properties)
        }
        return (
            cart: per == .cart ? instance.key : target(),
            product: per == .product
                ? instance.product
                : properties.flatMap { ProductMention($0)?.product ?? ProductMention.list($0)?.first?.product },
            subscription: per == .subscription ? instance.key : Subscription.id(properties) ?? ""
        )
    }
}

extension Instance {
    /// When its wait was over, whatever held it afterwards; as in messages and decisions.
    package var dueAt: Instant { heldSince ?? due }

    /// When it was due for the first time, from which on `expires` counts. Whoever stands in a line is due when its turn comes.
    func firstDue(_ rule: Rule, now: Instant) -> Instant { heldSince == nil && rule.hasAudience ? max(due, now) : dueAt }
}
