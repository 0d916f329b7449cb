import Foundation
import Testing

/// The unit and what belongs to it, judged by systemd's own tools.
@Suite struct UnitTests {
    static let hasAnalyze = Program.has("systemd-analyze", package: "systemd")
    static let analyzeMissing: Comment = "systemd-analyze is missing and can't be installed: the unit is not checked"

    private let unit = Program.root + "/systemd/nudged.service"

    @Test(.enabled(if: hasAnalyze, analyzeMissing)) func exposureIsAtMostHalf() throws {
        let outcome = try Program.run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=5", unit)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
        let last = try #require(outcome.lines.last { $0.contains("Overall exposure level") })
        let level = try #require(last.split(separator: " ").lazy.compactMap { Double($0) }.first)
        #expect(level <= 0.5, "\(last)")
    }

    /// The one word that is changed: the program is where it was built, not where it will be installed.
    @Test(.enabled(if: hasAnalyze, analyzeMissing)) func unitIsValid() throws {
        let scratch = try Scratch()
        let text = try String(contentsOfFile: unit, encoding: .utf8).replacingOccurrences(
            of: "/usr/bin/nudged", with: Program.nudged)
        try scratch.write(text, to: "nudged.service")
        let outcome = try Program.run("systemd-analyze", "verify", "--man=no", scratch.path + "/nudged.service")
        #expect(outcome.status == 0)
        #expect(outcome.error == "")
    }

    /// systemd's words of failure that a restart would not help, and the program's exit codes of `docs/operating.md`.
    @Test func lastingFailuresAreNotRestarted() throws {
        let text = try String(contentsOfFile: unit, encoding: .utf8)
        #expect(text.contains("\nRestart=on-failure\n"))
        #expect(text.contains("\nRestartPreventExitStatus=64 65 73 78\n"))
    }

    /// Every licence that the package's copyright file names has its text there, and every text is named.
    @Test func copyrightHasTheTextOfEveryLicence() throws {
        let text = try String(contentsOfFile: Program.root + "/systemd/debian/copyright", encoding: .utf8)
        var named: Set<Substring> = []
        var given: Set<Substring> = []
        for paragraph in text.split(separator: "\n\n") {
            guard let line = paragraph.split(separator: "\n").first(where: { $0.hasPrefix("License: ") }) else { continue }
            let names = line.dropFirst(9).split(separator: " and ")
            if paragraph.hasPrefix("License: ") { given.formUnion(names) } else { named.formUnion(names) }
        }
        #expect(named == given && named.count > 8)
    }

    static let canCreate =
        Program.has("systemd-sysusers", package: "systemd") && Program.has("systemd-tmpfiles", package: "systemd")
        && geteuid() == 0

    @Test(
        .enabled(
            if: canCreate,
            "systemd-sysusers or systemd-tmpfiles is missing, or this is not root: users and directories are not created"))
    func usersAndDirectoriesAreCreated() throws {
        let scratch = try Scratch()
        let root = Program.root + "/systemd/"
        try FileManager.default.createDirectory(atPath: scratch.path + "/etc", withIntermediateDirectories: true)
        let users = try Program.run("systemd-sysusers", "--root=" + scratch.path, root + "nudged.sysusers")
        #expect(users.status == 0, "\(users.error)")
        let directories = try Program.run("systemd-tmpfiles", "--create", "--root=" + scratch.path, root + "nudged.tmpfiles")
        #expect(directories.status == 0, "\(directories.error)")
        let groups = Dictionary(
            try scratch.text("etc/group").split(separator: "\n").map {
                $0.split(separator: ":", omittingEmptySubsequences: false)
            }
            .map { ($0[0], $0[2]) }, uniquingKeysWith: { $1 })
        let senders = try #require(groups["nudged-senders"])
        #expect(try scratch.text("etc/group").contains(/(?m)^nudged-logs:.*:nudged$/))
        for name in ["", "/tmp", "/new", "/cur", "/done", "/failed"] {
            let outcome = try Program.run("stat", "-c", "%a %g", scratch.path + "/var/spool/nudged/outbox" + name)
            #expect(outcome.output == "2770 \(senders)\n")
        }
    }

    /// A sender's unit names the group that owns the outbox.
    @Test func sendersAreInTheGroup() throws {
        for name in ["nudged-smtp", "nudged-webhook"] {
            let text = try String(contentsOfFile: Program.root + "/scripts/senders/\(name).service", encoding: .utf8)
            #expect(text.contains("\nSupplementaryGroups=nudged-senders\n"))
        }
    }
}
