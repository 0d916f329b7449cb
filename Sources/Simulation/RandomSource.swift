/// A seeded stream of random numbers: xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018).
///
/// Every draw is integer arithmetic of our own. The standard library's `random(in:using:)` may change its method with a release and
/// `log` may differ in the last bit between C libraries; both would change the log that a seed stands for.
struct RandomSource {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// The state is filled by SplitMix64, as the authors advise, so that it is never all zero and near seeds are far apart.
    init(seed: UInt64) {
        state = (
            Self.mix(seed &+ Self.step), Self.mix(seed &+ 2 &* Self.step), Self.mix(seed &+ 3 &* Self.step),
            Self.mix(seed &+ 4 &* Self.step)
        )
    }

    mutating func next() -> UInt64 {
        let product = state.1 &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }

    /// A number from 0 up to, not including, `bound` (at least 1). Lemire's multiplication without his rejection: the bias is below
    /// `bound` in 2⁶⁴, and every call takes exactly one draw.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(1, bound))).high)
    }

    /// A number from `lower` to `upper`, both included.
    mutating func between(_ lower: Int, _ upper: Int) -> Int { lower + below(upper - lower + 1) }

    /// True `share` times in a thousand.
    mutating func chance(_ share: Int) -> Bool { below(1000) < share }

    /// An exponentially distributed number of mean 1, times 2³². By von Neumann's comparison method (1951), which is exact and needs
    /// no logarithm: count how long a run of uniform numbers falls; an odd length accepts the first of them as the fraction.
    mutating func exponential() -> UInt64 {
        var whole: UInt64 = 0
        while true {
            let first = next() >> 32
            var last = first
            var length = 1
            while true {
                let following = next() >> 32
                if following >= last { break }
                last = following
                length += 1
            }
            if length & 1 == 1 { return whole << 32 | first }
            whole += 1
        }
    }

    /// An exponentially distributed number of the given mean.
    mutating func exponential(mean: Int) -> Int {
        let product = exponential().multipliedFullWidth(by: UInt64(max(0, mean)))
        return Int(truncatingIfNeeded: product.high << 32 | product.low >> 32)
    }

    /// SplitMix64's finaliser (Steele, Lea and Flood, 2014): a bijection whose output bits all depend on every input bit. What a
    /// customer or product is like is such a hash of its number, so nothing needs to be stored for it.
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// SplitMix64's increment: 2⁶⁴ over the golden ratio, made odd.
    static let step: UInt64 = 0x9E37_79B9_7F4A_7C15
}
