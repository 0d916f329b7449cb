import Engine

/// The starts of one rule at one product.
struct Queue {
    var rule: Int
    var product: String
    var event: LogLine
    var started: Instant
    /// Places go on from start to start.
    var nextPlace = 0
    /// Published since the last start, or since the last pace.
    var served = 0
    /// How often those have been counted anew.
    var count = 0
    /// A share has become free.
    var isOpen = false
    /// When the limit is judged anew.
    var due: Instant?
}

extension Reference {
    func changeFacts(_ line: LogLine, _ product: String) {
        var known = facts[product] ?? Facts()
        if line.name == "Product Stock Changed", let available = line.properties["available"]?.number,
            line.time >= known.availableAt
        {
            known.wasAvailable = known.available ?? 0
            known.available = available
            known.availableAt = line.time
        }
        if line.name == "Product Price Changed", let price = line.properties["price"]?.number, line.time >= known.priceAt {
            known.wasPrice = known.price
            known.price = price
            known.priceAt = line.time
        }
        facts[product] = known
    }

    /// An event of a product, without a customer.
    func applyProduct(_ line: LogLine, _ product: String) {
        if let id = line.id, world.dedupe > 0 {
            if productIDs.contains(where: { $0.product == product && $0.id == id && line.time - $0.time < world.dedupe }) {
                return
            }
            productIDs.append((product, id, line.time))
        }
        changeFacts(line, product)
        for (index, rule) in world.rules.enumerated() where !rule.audience.isEmpty {
            for case .event(let name, let condition) in rule.start where name == line.name {
                let view = view(nil, event: line, product: product)
                guard condition.map({ $0.holds(view) ?? false }) ?? true else { continue }
                start(index, product, line)
            }
        }
    }

    func audience(_ rule: RuleSpec, _ product: String) -> [Customer] {
        var found: [(since: Instant, customer: Customer)] = []
        for customer in customers {
            forgetCarts(customer)
            customer.interests.removeAll { $0.kind == .waitlist && $0.last + world.waitlistForget <= now }
            let times = rule.audience.flatMap { audience -> [Instant] in
                switch audience {
                case .waitlist: customer.interests.filter { $0.kind == .waitlist && $0.product == product }.map(\.since)
                case .wishlist: customer.interests.filter { $0.kind == .wishlist && $0.product == product }.map(\.since)
                case .viewed(let within):
                    customer.interests.filter { $0.kind == .viewed && $0.product == product && $0.last > now - within }.map(
                        \.since)
                case .cart, .segment: []
                }
            }
            if let since = times.min() { found.append((since, customer)) }
        }
        return found.sorted { ($0.since, $0.customer.name) < ($1.since, $1.customer.name) }.map(\.customer)
    }

    func start(_ rule: Int, _ product: String, _ line: LogLine) {
        let spec = world.rules[rule]
        let index: Int
        if let known = queues.firstIndex(where: { $0.rule == rule && $0.product == product }) {
            index = known
        } else {
            queues.append(Queue(rule: rule, product: product, event: line, started: line.time))
            index = queues.count - 1
        }
        // One that comes late and is older than the last start only starts those who have nothing running.
        let isOlder = line.time < queues[index].started
        if !isOlder {
            queues[index].event = line
            queues[index].started = line.time
            queues[index].served = 0
            queues[index].count += 1
            queues[index].due = spec.pace.map { line.time + $0 }
        }
        let people = audience(spec, product)
        for customer in people {
            let place = queues[index].nextPlace
            let because = line.id.map { [$0] } ?? []
            if let at = customer.running.firstIndex(where: { $0.rule == rule && $0.key == product }) {
                // Who waits in line is started by this start; who runs already is not.
                guard customer.running[at].isQueued, line.time >= customer.running[at].started else { continue }
                customer.running[at].because = Array((customer.running[at].because + because).suffix(16))
                customer.running[at].started = line.time
                customer.running[at].due = line.time + spec.wait
                customer.running[at].event = line
                customer.running[at].place = place
            } else {
                guard
                    !customer.cancels.contains(where: { $0.rule == rule && $0.key ?? product == product && $0.time > line.time }),
                    !customer.ended.contains(where: { $0.rule == rule && $0.key == product && $0.start == line.time })
                else { continue }
                customer.running.append(
                    Running(
                        rule: rule, key: product, started: line.time, due: line.time + spec.wait, event: line, because: because,
                        place: place,
                        product: product, isQueued: true))
            }
            queues[index].nextPlace += 1
        }
        // Who waited before and is no longer in the audience goes to the end.
        for (customer, _) in waiting(queues[index]) where !isOlder && !people.contains(where: { $0 === customer }) {
            for at in customer.running.indices where customer.running[at].rule == rule && customer.running[at].key == product {
                customer.running[at].place = queues[index].nextPlace
            }
            queues[index].nextPlace += 1
        }
        take(index)
    }

    func limit(_ rule: Int, _ product: String, _ line: LogLine) -> Int {
        guard let value = world.rules[rule].limitValue else { return .max }
        return max(0, Int((value(view(nil, event: line, product: product)) ?? 0).rounded(.down)))
    }

    func all(_ queue: Queue) -> [(customer: Customer, running: Running)] {
        customers.flatMap { customer in
            customer.running.filter { $0.rule == queue.rule && $0.key == queue.product }.map { (customer: customer, running: $0) }
        }.sorted { $0.running.place < $1.running.place }
    }

    func waiting(_ queue: Queue) -> [(customer: Customer, running: Running)] { all(queue).filter(\.running.isQueued) }

    func take(_ index: Int) {
        queues[index].isOpen = false
        let queue = queues[index]
        let limit = limit(queue.rule, queue.product, queue.event)
        for (customer, _) in waiting(queue) {
            guard limit == .max || all(queue).count - waiting(queue).count + queue.served < limit else { return }
            setQueued(false, customer, queue)
        }
    }

    func setQueued(_ isQueued: Bool, _ customer: Customer, _ queue: Queue) {
        for at in customer.running.indices
        where customer.running[at].rule == queue.rule && customer.running[at].key == queue.product {
            customer.running[at].isQueued = isQueued
        }
    }

    /// The next are taken while the rule's `if` holds.
    func newPace(_ index: Int) {
        let queue = queues[index]
        let rule = world.rules[queue.rule]
        queues[index].due = nil
        let inLine = waiting(queue)
        func holds(_ customer: Customer, _ running: Running) -> Bool {
            rule.condition.map { $0.holds(view(customer, event: running.event, product: queue.product)) ?? false } ?? true
        }
        let takes = inLine.contains { holds($0.customer, $0.running) }
        // Whoever runs may come back into the line.
        let others = all(queue).filter { !$0.running.isQueued }
        let goesOn = inLine.isEmpty ? !others.isEmpty : others.contains { holds($0.customer, $0.running) }
        guard let pace = rule.pace, let due = queue.due, takes || goesOn else { return }
        var next = due
        while next <= now { next += pace }
        queues[index].due = next
        queues[index].served = 0
        queues[index].count += 1
        if takes { take(index) }
    }

    /// Judged again at the moment of publishing: those ahead in line come first.
    func hasShare(_ customer: Customer, _ instance: Running) -> Bool {
        guard let queue = queues.first(where: { $0.rule == instance.rule && $0.product == instance.product }) else { return true }
        let ahead = all(queue).filter { !$0.running.isQueued && $0.running.place < instance.place }.count
        let limit = limit(instance.rule, queue.product, queue.event)
        if limit == .max || ahead + queue.served < limit { return true }
        setQueued(true, customer, queue)
        return false
    }

    func shareIsFree(_ instance: Running, of customer: Customer, _ verdict: Verdict) {
        guard let index = queues.firstIndex(where: { $0.rule == instance.rule && $0.product == instance.product }) else { return }
        if verdict == .published {
            queues[index].served += 1
            customer.served.append(Served(instance: instance, at: now, count: queues[index].count))
        } else {
            open(index)
        }
    }

    /// The next is taken at once, but not before all events of the millisecond.
    func open(_ index: Int) {
        queues[index].isOpen = true
        if !isApplying { take(index) }
    }

    /// A cancel that comes late takes back what it would have cancelled, and the share goes on.
    func takeBack(_ rule: Int, _ customer: Customer, _ keys: [String]?, at time: Instant) {
        guard time < now else { return }
        let refuted = customer.served.filter {
            $0.instance.rule == rule && keys?.contains($0.instance.key) ?? true && $0.instance.started <= time && time <= $0.at
        }
        for message in refuted {
            customer.served.removeAll {
                $0.instance.key == message.instance.key && $0.at == message.at && $0.instance.rule == rule
            }
            guard let index = queues.firstIndex(where: { $0.rule == rule && $0.product == message.instance.product }),
                queues[index].count == message.count
            else { continue }
            queues[index].served -= 1
            open(index)
        }
    }
}
