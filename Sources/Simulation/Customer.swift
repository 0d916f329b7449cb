import Engine

/// A customer of the shop, worked out of its number whenever it is needed: ten million of them take no memory.
struct Customer {
    let index: Int
    /// Bits that decide everything about the customer.
    private let nature: UInt64
    private let seed: UInt64

    init(_ index: Int, seed: UInt64) {
        self.index = index
        self.seed = seed
        nature = RandomSource.mix(seed ^ UInt64(truncatingIfNeeded: index &+ 1) &* RandomSource.step)
    }

    var country: Int { Country.shares[Int(nature & 15)] }
    /// One of the kinds of `Country.hours`.
    var kind: Int { Int(nature >> 4 & 3) }
    var usesPhone: Bool { nature >> 6 & 7 < 3 }
    /// Shares its place with the app.
    var isTracked: Bool { usesPhone && nature >> 9 & 7 == 0 }
    /// Some sources send the anonymous id next to the user's, some don't.
    var sendsBothIDs: Bool { nature >> 12 & 3 == 0 }
    /// Seven of eight have an account, the others buy as guests. Who subscribes or signs up has one.
    var hasAccount: Bool { isSubscriber || newcomerTurn != nil || nature >> 24 & 7 != 0 }
    /// Begins to sign up and never comes to the end: one newcomer in four.
    var abandonsSignUp: Bool { nature >> 28 & 3 == 0 }
    /// The parts of the traits.
    var trait: Int { Int(nature >> 16 & 0xFF) }

    /// One customer in twelve may have a subscription from the start, one in sixteen may sign up within the simulated days. Both by
    /// number, so that their turns can be counted off; no number is both.
    var isSubscriber: Bool { index % 12 == 5 }
    /// The turn in which the customer signs up, if the shop has so many newcomers.
    var newcomerTurn: Int? { index % 16 == 3 ? index / 16 : nil }
    static func subscriber(_ turn: Int) -> Int { turn * 12 + 5 }
    static func newcomer(_ turn: Int) -> Int { turn * 16 + 3 }
    /// Customers who ordered in the two weeks before the first day.
    static func former(_ turn: Int) -> Int { turn * 16 + 9 }

    /// The anonymous id of one of the customer's devices.
    func anonymousID(device: Int) -> (UInt64, UInt64) {
        let high = RandomSource.mix(nature &+ UInt64(truncatingIfNeeded: device &+ 1) &* 0xA24B_AED4_963E_E407)
        return (high, RandomSource.mix(high ^ seed &+ 0x9FB2_1C65_1E98_DF25))
    }

    /// The customer that a visit is by: an even draw `random` squared, so a hundredth of the customers make a tenth of the visits and
    /// the quietest half less than a third. `stride` scatters the busy ones over the numbers.
    static func visitor(random: UInt64, of customers: Int, stride: Int) -> Int {
        let square = random.multipliedFullWidth(by: random).high
        let rank = square.multipliedFullWidth(by: UInt64(customers)).high
        return Int((rank &* UInt64(stride) &+ 17) % UInt64(customers))
    }

    /// A step that reaches every number below `customers` once.
    static func stride(of customers: Int) -> Int {
        var stride = 982_451_653 % max(2, customers)
        func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
        while divisor(max(1, stride), customers) != 1 || stride == 0 { stride += 1 }
        return stride
    }
}

/// The ids a call carries.
struct Voice {
    let customer: Customer
    let device: Int
    var user: Bool
    var anonymous: Bool

    /// As the shop's server speaks about the customer: by account, or as the guest of the first device.
    static func server(_ customer: Customer) -> Voice {
        Voice(customer: customer, device: 0, user: customer.hasAccount, anonymous: !customer.hasAccount)
    }
}
