import Engine

/// Everyone whom one start of a rule at a product reached and who has not been taken yet, in audience order.
struct Queue {
    var rule: Int
    var product: String
    var event: LogLine
    var waiting: [(customer: Customer, place: Int)] = []
    /// Published since the last start, or since the last pace.
    var served = 0
    /// When the limit is judged anew.
    var due: Instant?
}

extension Reference {
    func changeFacts(_ line: LogLine, _ product: String) {
        var known = facts[product] ?? Facts()
        if line.name == "Product Stock Changed", let available = line.properties["available"]?.number, line.time >= known.availableAt {
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
            if productIDs.contains(where: { $0.product == product && $0.id == id && line.time - $0.time < world.dedupe }) { return }
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
                    customer.interests.filter { $0.kind == .viewed && $0.product == product && $0.last > now - within }.map(\.since)
                case .cart, .segment: []
                }
            }
            if let since = times.min() { found.append((since, customer)) }
        }
        return found.sorted { ($0.since, $0.customer.name) < ($1.since, $1.customer.name) }.map(\.customer)
    }

    func start(_ rule: Int, _ product: String, _ line: LogLine) {
        let spec = world.rules[rule]
        let people = audience(spec, product)
        guard spec.limit != nil else {
            for (place, customer) in people.enumerated() {
                start(rule, customer, product, line, at: line.time, place: place, product: product)
            }
            return
        }
        queues.removeAll { $0.rule == rule && $0.product == product }
        var queue = Queue(rule: rule, product: product, event: line)
        for (place, customer) in people.enumerated() {
            if let at = customer.running.firstIndex(where: { $0.rule == rule && $0.key == product }) {
                customer.running[at].place = place
            } else {
                queue.waiting.append((customer, place))
            }
        }
        queue.due = spec.pace.map { line.time + $0 }
        queues.append(queue)
        take(queues.count - 1)
    }

    func limit(_ rule: Int, _ product: String, _ line: LogLine) -> Int {
        let value = world.rules[rule].limitValue?(view(nil, event: line, product: product)) ?? 0
        return max(0, Int(value.rounded(.down)))
    }

    func runningOf(_ queue: Queue) -> [Running] {
        customers.flatMap(\.running).filter { $0.rule == queue.rule && $0.key == queue.product }
    }

    func take(_ index: Int) {
        let limit = limit(queues[index].rule, queues[index].product, queues[index].event)
        while runningOf(queues[index]).count + queues[index].served < limit, !queues[index].waiting.isEmpty {
            let next = queues[index].waiting.removeFirst()
            start(
                queues[index].rule, next.customer, queues[index].product, queues[index].event, at: queues[index].event.time,
                place: next.place, product: queues[index].product)
        }
    }

    func newPace(_ index: Int) {
        queues[index].due = nil
        queues[index].served = 0
        take(index)
    }

    /// Judged again at the moment of publishing: those ahead in line come first.
    func hasShare(_ customer: Customer, _ instance: Running) -> Bool {
        guard let index = queues.firstIndex(where: { $0.rule == instance.rule && $0.product == instance.product }) else { return true }
        let ahead = runningOf(queues[index]).filter { $0.place < instance.place }.count
        if ahead + queues[index].served < limit(instance.rule, queues[index].product, queues[index].event) { return true }
        customer.running.removeAll { $0.rule == instance.rule && $0.key == instance.key }
        queues[index].waiting.append((customer, instance.place))
        queues[index].waiting.sort { $0.place < $1.place }
        return false
    }

    func shareIsFree(_ instance: Running, _ verdict: Verdict) {
        guard let index = queues.firstIndex(where: { $0.rule == instance.rule && $0.product == instance.product }) else { return }
        if verdict == .published { queues[index].served += 1 } else { take(index) }
    }
}
