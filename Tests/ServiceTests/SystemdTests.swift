import Testing

/// The unit in a systemd that boots in a container: started, reloaded, killed, bitten by its watchdog, and compared with a replay.
@Suite(.serialized) struct SystemdTests {
    private static let script = Program.root + "/scripts/service-test"
    static let obstacle: String? = {
        guard let outcome = try? Program.run(script, "--can-boot") else { return "scripts/service-test can't be run" }
        return outcome.status == 0 ? nil : outcome.error
    }()

    @Test(
        .enabled(
            if: obstacle == nil,
            "no systemd can be booted in a container here (scripts/service-test --can-boot says why): the unit is not run"),
        .timeLimit(.minutes(6)))
    func theUnitServes() throws {
        let outcome = try Program.run(Self.script, Program.nudged)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
        #expect(outcome.lines.last == "PASSED")
    }
}
