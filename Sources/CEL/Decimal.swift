/// Doubles as decimal digits.
enum Decimal {
    /// The shortest digits that read back as the same number, without an exponent between 1e-6 and 1e21; whole numbers have no point.
    static func shortest(_ number: Double) -> String {
        if let special = special(number) { return special }
        if number == 0 { return number.sign == .minus ? "-0" : "0" }
        // The standard library finds the digits; only their layout differs.
        let text = number.magnitude.description
        let parts = text.split(separator: "e", maxSplits: 1)
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = Array(mantissa.joined().utf8)
        var point = mantissa[0].utf8.count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.count > 1, digits.first == 48 {
            digits.removeFirst()
            point -= 1
        }
        while digits.count > 1, digits.last == 48 { digits.removeLast() }
        let sign = number < 0 ? "-" : ""
        if point > 21 || point < -5 {
            let rest = digits.count > 1 ? "." + String(decoding: digits[1...], as: UTF8.self) : ""
            return sign + String(decoding: digits[..<1], as: UTF8.self) + rest + exponent(point - 1)
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + String(decoding: digits, as: UTF8.self) }
        if point >= digits.count {
            return sign + String(decoding: digits, as: UTF8.self) + String(repeating: "0", count: point - digits.count)
        }
        return sign + String(decoding: digits[..<point], as: UTF8.self) + "." + String(decoding: digits[point...], as: UTF8.self)
    }

    static func special(_ number: Double) -> String? {
        if number.isNaN { return "NaN" }
        return number.isInfinite ? (number < 0 ? "-Infinity" : "Infinity") : nil
    }

    private static func exponent(_ value: Int) -> String {
        "e\(value < 0 ? "-" : "+")\(Digits.padded(abs(value), 2))"
    }

    /// With a fixed number of decimals, rounded half to even from the exact value.
    static func fixed(_ number: Double, decimals: Int) -> String {
        if let special = special(number) { return special }
        var exact = ExactDigits(number.magnitude)
        exact.round(at: exact.point + decimals)
        let whole = exact.point <= 0 ? "0" : exact.text(from: 0, to: exact.point)
        let fraction = decimals > 0 ? "." + exact.text(from: exact.point, to: exact.point + decimals) : ""
        return (number.sign == .minus ? "-" : "") + whole + fraction
    }

    /// In scientific notation, rounded half to even from the exact value.
    static func scientific(_ number: Double, decimals: Int) -> String {
        if let special = special(number) { return special }
        var exact = ExactDigits(number.magnitude)
        exact.round(at: decimals + 1)
        let fraction = decimals > 0 ? "." + exact.text(from: 1, to: 1 + decimals) : ""
        let power = exact.isZero ? 0 : exact.point - 1
        return (number.sign == .minus ? "-" : "") + exact.text(from: 0, to: 1) + fraction + exponent(power)
    }
}

/// All decimal digits of a double, which is a finite decimal fraction.
private struct ExactDigits {
    /// Without leading zeros.
    private var digits: [UInt8]
    /// Digits before the decimal point; may be negative.
    private(set) var point: Int

    init(_ number: Double) {
        guard number > 0 else {
            digits = []
            point = 0
            return
        }
        let isSubnormal = number.exponentBitPattern == 0
        var exponent = (isSubnormal ? 1 : Int(number.exponentBitPattern)) - 1075
        let significand = number.significandBitPattern | (isSubnormal ? 0 : 1 << 52)
        // Limbs of nine digits, the lowest first.
        var limbs: [UInt64] = []
        var rest = significand
        while rest > 0 {
            limbs.append(rest % 1_000_000_000)
            rest /= 1_000_000_000
        }
        func multiply(_ factor: UInt64) {
            var carry: UInt64 = 0
            for index in limbs.indices {
                let product = limbs[index] * factor + carry
                limbs[index] = product % 1_000_000_000
                carry = product / 1_000_000_000
            }
            if carry > 0 { limbs.append(carry) }
        }
        var decimals = 0
        while exponent > 0 {
            let step = min(exponent, 29)
            multiply(1 << UInt64(step))
            exponent -= step
        }
        // m / 2^k is m * 5^k with k decimals.
        while exponent < 0 {
            let step = min(-exponent, 12)
            multiply((0..<step).reduce(1) { power, _ in power * 5 })
            exponent += step
            decimals += step
        }
        var text = ""
        for limb in limbs.reversed() { text += Digits.padded(Int(limb), 9) }
        let all = Array(text.utf8)
        let leading = all.firstIndex { $0 != 48 } ?? 0
        digits = all[leading...].map { $0 - 48 }
        point = digits.count - decimals
    }

    var isZero: Bool { digits.isEmpty }

    /// Keeps the first `count` digits.
    mutating func round(at count: Int) {
        guard count < digits.count else { return }
        guard count >= 0 else {
            digits = []
            point = 0
            return
        }
        let next = digits[count]
        let isTie = next == 5 && digits[(count + 1)...].allSatisfy { $0 == 0 }
        let isOdd = count > 0 && digits[count - 1] % 2 == 1
        digits = Array(digits[..<count])
        guard next > 5 || (next == 5 && (!isTie || isOdd)) else {
            if count == 0 { point = 0 }
            return
        }
        var place = count - 1
        while place >= 0, digits[place] == 9 {
            digits[place] = 0
            place -= 1
        }
        if place >= 0 {
            digits[place] += 1
        } else {
            digits.insert(1, at: 0)
            point += 1
        }
    }

    /// Digits of places that may lie outside of what is stored.
    func text(from start: Int, to end: Int) -> String {
        String(decoding: (start..<max(start, end)).map { digits.indices.contains($0) ? digits[$0] + 48 : 48 }, as: UTF8.self)
    }
}
