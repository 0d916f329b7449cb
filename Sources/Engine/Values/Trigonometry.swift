/// Sine, cosine and arcsine without a C library, so that a distance is the same to the last bit on every machine.
///
/// Accurate to about 1e-13 in the ranges that distances need, which on the Earth's surface is less than a micrometre.
enum Trigonometry {
    static func sine(_ angle: Double) -> Double {
        guard angle.isFinite else { return .nan }
        var x = angle.remainder(dividingBy: 2 * .pi)
        if x > .pi / 2 { x = .pi - x } else if x < -.pi / 2 { x = -.pi - x }
        // Taylor's series; the 12th term is below 1e-17 for |x| ≤ π/2.
        var term = x
        var sum = x
        for n in 1...12 {
            term *= -x * x / Double((2 * n) * (2 * n + 1))
            sum += term
        }
        return sum
    }

    static func cosine(_ angle: Double) -> Double { sine(angle + .pi / 2) }

    /// Newton's method on the sine, from a start that is already close.
    static func arcsine(_ value: Double) -> Double {
        // Near 1 the sine is flat; asin(x) = π/2 - 2 asin(√((1-x)/2)) keeps the precision.
        if value > 0.7 { return .pi / 2 - 2 * arcsine(((1 - value) / 2).squareRoot()) }
        if value < 0 { return -arcsine(-value) }
        var angle = value + value * value * value / 6
        for _ in 0..<8 { angle -= (sine(angle) - value) / cosine(angle) }
        return angle
    }
}
