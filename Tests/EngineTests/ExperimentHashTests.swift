import Engine
import Testing

/// The test vectors of `docs/delivery.md`, which were computed with Python's hashlib.
@Suite struct ExperimentHashTests {
    @Test(arguments: [
        ("", "holdout", "", "ayşe", UInt32(3_197_609_220), 744_501),
        ("2026", "holdout", "abandoned-cart", "u1", 857_421_887, 199_634),
        ("2026", "variant", "abandoned-cart", "u1", 533_784_773, 124_281),
        ("2026", "variant", "summer", "anonymous:a1", 1_394_417_765, 324_663),
        ("2026", "holdout", "", "u2", 541_040_801, 125_970),
    ]) func isAsDocumented(salt: String, kind: String, scope: String, customer: String, number: UInt32, millionths: Int) {
        let hash = ExperimentHash(salt: salt, kind: kind, scope: scope, customer: customer, sha256: SHA256.hash)
        #expect(hash.number == number)
        #expect(hash.scaled(to: 1_000_000) == millionths)
    }

    @Test func spreadsCustomersEvenly() {
        let low = (0..<20_000).count {
            ExperimentHash(salt: "s", kind: "holdout", scope: "r", customer: "u\($0)", sha256: SHA256.hash).scaled(to: 1_000_000)
                < 100_000
        }
        #expect(1850...2150 ~= low)
    }
}
