/// An exact decimal number: mantissa × 10^-scale, always in lowest terms, so that equal numbers are equal values.
///
/// Money is added up in it, because 0.1 + 0.2 has to be 0.3. Range: 128 bits of mantissa and at most 18 decimals; what has
/// more decimals is rounded to 18, half away from zero. Arithmetic that would leave the range gives nil, a sum its left side.
package struct Decimal: Hashable, Sendable, Comparable {
    // In halves: an `Int128` would take 32 bytes with the scale, and there are several of these in each line of a cart.
    private let low: UInt64
    private let high: Int64
    private let places: UInt8

    package var mantissa: Int128 { Int128(high) << 64 | Int128(low) }
    package var scale: Int { Int(places) }

    package static let zero = Decimal(mantissa: 0, scale: 0)
    private static let maximalScale = 18
    /// Numbers from here on are no amounts of money; refusing them keeps sums of millions of them inside 128 bits.
    static let magnitudeLimit: UInt64 = 1_000_000_000_000_000_000

    private init(mantissa: Int128, scale: Int) {
        var mantissa = mantissa
        var scale = scale
        while scale > 0, mantissa % 10 == 0 {
            mantissa /= 10
            scale -= 1
        }
        low = UInt64(truncatingIfNeeded: mantissa)
        high = Int64(truncatingIfNeeded: mantissa >> 64)
        places = UInt8(scale)
    }

    package init(_ value: Int64) { self.init(mantissa: Int128(value), scale: 0) }
    package init(_ value: Int) { self.init(mantissa: Int128(value), scale: 0) }

    /// The shortest decimal that reads back as this double, which is what the log's text said for up to 15 digits.
    ///
    /// A double n / 10^k with n below 2^53 and k ≤ 22 is the correctly rounded value of the decimal, so trying growing k finds it
    /// without printing the number.
    package init?(_ value: Double) {
        guard value.isFinite, abs(value) < Double(Self.magnitudeLimit) else { return nil }
        var power = 1.0
        for scale in 0...Self.maximalScale {
            let scaled = (value * power).rounded()
            guard abs(scaled) < 9_007_199_254_740_992 else { break }
            if scaled / power == value {
                self.init(mantissa: Int128(Int64(scaled)), scale: scale)
                return
            }
            power *= 10
        }
        self.init(text: Array(value.description.utf8)[...])
    }

    /// Reads `-12.50` or `1.5e3`; nil for anything else or beyond the range.
    package init?(text: some Collection<UInt8>) {
        var rest = text[text.startIndex...]
        var negative = false
        if let first = rest.first, first == 0x2D || first == 0x2B {
            negative = first == 0x2D
            rest = rest.dropFirst()
        }
        var mantissa: Int128 = 0
        var scale = 0
        var digits = 0
        var seenPoint = false
        while let byte = rest.first {
            if byte == 0x2E, !seenPoint {
                seenPoint = true
            } else if byte >= 0x30, byte <= 0x39 {
                digits += 1
                guard mantissa < 1_000_000_000_000_000_000_000_000_000_000_000_000 else { return nil }
                mantissa = mantissa * 10 + Int128(byte - 0x30)
                if seenPoint { scale += 1 }
            } else {
                break
            }
            rest = rest.dropFirst()
        }
        guard digits > 0 else { return nil }
        if let byte = rest.first {
            guard byte == 0x65 || byte == 0x45 else { return nil }
            rest = rest.dropFirst()
            guard let exponent = Int(String(decoding: rest, as: UTF8.self)), exponent.magnitude < 400 else { return nil }
            scale -= exponent
        }
        while scale < 0 {
            guard mantissa < 1_000_000_000_000_000_000_000_000_000_000_000_000 else { return nil }
            mantissa *= 10
            scale += 1
        }
        while scale > Self.maximalScale + 1 {
            mantissa /= 10
            scale -= 1
        }
        if scale > Self.maximalScale {
            mantissa = (mantissa + 5) / 10
            scale -= 1
        }
        guard mantissa < 1_000_000_000_000_000_000 * Self.powers[scale] else { return nil }
        self.init(mantissa: negative ? -mantissa : mantissa, scale: scale)
    }

    private static let powers: [Int128] = {
        var powers: [Int128] = [1]
        for _ in 0..<(maximalScale * 2) { powers.append((powers.last ?? 1) * 10) }
        return powers
    }()

    package static func + (left: Decimal, right: Decimal) -> Decimal {
        let scale = max(left.scale, right.scale)
        let sum = left.mantissa * powers[scale - left.scale] + right.mantissa * powers[scale - right.scale]
        // No amount reaches 10^18, nor does a sum: it could neither be compared with 18 decimals nor be read from its text. It stays where it is.
        return sum.magnitude < (powers[maximalScale] * powers[scale]).magnitude ? Decimal(mantissa: sum, scale: scale) : left
    }

    package static prefix func - (value: Decimal) -> Decimal { Decimal(mantissa: -value.mantissa, scale: value.scale) }
    package static func - (left: Decimal, right: Decimal) -> Decimal { left + -right }

    /// The product, or nil beyond the range.
    package func multiplied(by other: Decimal) -> Decimal? {
        let (product, overflow) = mantissa.multipliedReportingOverflow(by: other.mantissa)
        guard !overflow else { return nil }
        var result = product
        var scale = self.scale + other.scale
        while scale > Self.maximalScale + 1 {
            result /= 10
            scale -= 1
        }
        if scale > Self.maximalScale {
            result = (result + (result < 0 ? -5 : 5)) / 10
            scale -= 1
        }
        guard result.magnitude < (1_000_000_000_000_000_000 * Self.powers[scale]).magnitude else { return nil }
        return Decimal(mantissa: result, scale: scale)
    }

    package static func < (left: Decimal, right: Decimal) -> Bool {
        let scale = max(left.scale, right.scale)
        return left.mantissa * powers[scale - left.scale] < right.mantissa * powers[scale - right.scale]
    }

    package var isPositive: Bool { mantissa > 0 }

    /// Rounded to two decimals, half away from zero.
    package var roundedToCents: Decimal {
        guard scale > 2 else { return self }
        let unit = Self.powers[scale - 2]
        let (quotient, rest) = mantissa.quotientAndRemainder(dividingBy: unit)
        let up: Int128 = rest.magnitude * 2 >= unit.magnitude ? (mantissa < 0 ? -1 : 1) : 0
        return Decimal(mantissa: quotient + up, scale: 2)
    }

    /// The nearest double: what CEL conditions see.
    package var double: Double {
        // Below 2^53 both operands are exact, so the division rounds once and correctly.
        if mantissa.magnitude < 9_007_199_254_740_992 { return Double(Int64(mantissa)) / Double(Int64(Self.powers[scale])) }
        return Double(text) ?? Double(mantissa) / Double(Self.powers[scale])
    }

    /// Plain decimal text without an exponent: `59.97`, `-3`, `0.5`.
    package var text: String { withText { String(decoding: $0, as: UTF8.self) } }

    /// The same where it needs no memory of its own.
    func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        DecimalText.with(negative: mantissa < 0, mantissa.magnitude, scale: scale, body)
    }

    /// The text with at least two decimals, as prices are written: `20.00`, `0.125`.
    package var money: String {
        switch scale {
        case 0: text + ".00"
        case 1: text + "0"
        default: text
        }
    }
}
