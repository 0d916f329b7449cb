import Engine
import Glibc
import Testing

/// One system call of a run fails, or is the last thing the program does, for each of them in turn; afterwards a clean run leaves the
/// outbox of a replay. Needs strace, as a user who may trace.
@Suite(.serialized) struct CrashTests {
    /// Where a run begins: without a state, or in the middle.
    enum Beginning: String, CaseIterable { case nothing, half }

    struct Fault: Sendable, CustomTestStringConvertible {
        var calls: String
        var what: String
        /// In the quick run every so many-th place is tried.
        var stride: Int
        var testDescription: String { "\(calls):\(what)" }
    }

    /// The counts of strace are for each call of its own.
    static let faults: [Fault] = {
        let strides = [
            ("write", 9, 11), ("pwrite64", 37, 53), ("fsync", 7, 9), ("fdatasync", 7, 9), ("syncfs", 1, 1), ("renameat2", 11, 13),
            ("renameat", 1, 1), ("rename", 1, 1), ("openat", 83, 71), ("mkdir", 1, 1), ("mkdirat", 4, 4), ("unlink", 2, 3),
            ("unlinkat", 2, 3),
            ("ftruncate", 2, 2),
        ]
        return strides.flatMap { call, kill, error in
            [Fault(calls: call, what: "signal=KILL", stride: kill), Fault(calls: call, what: "error=EIO", stride: error)]
                + (["write", "pwrite64", "fsync", "renameat2", "mkdirat"].contains(call)
                    ? [Fault(calls: call, what: "error=ENOSPC", stride: error + 2)] : [])
                + (call == "openat" ? [Fault(calls: call, what: "error=EMFILE", stride: error + 4)] : [])
        }
    }()

    static let strace: String? = {
        guard let strace = Program.find("strace") else { return nil }
        let scratch = Scratch()
        // Tracing may be forbidden where the program is there.
        return Program.run(
            ["-f", "-o", scratch.path + "/trace", "-e", "trace=write", "/bin/true"], program: strace, in: scratch.path) == 0
            ? strace : nil
    }()

    @Test(.enabled(if: strace != nil, "strace is not here or may not trace: nothing is injected"), arguments: Beginning.allCases)
    func anyCallMayFailOrBeTheLast(_ beginning: Beginning) throws {
        let strace = try #require(Self.strace)
        let shop = LiveShop()
        let lines = ShopLog.lines(70, streams: ShopLog.streams.count, seed: 5)
        var feeder = LogFeeder(directory: shop.path + "/logs", streams: ShopLog.streams)
        let saved = shop.path + "/saved"
        mkdir(saved, 0o700)
        if beginning == .half {
            feeder.write(lines[..<35], keeping: 20)
            #expect(Program.run(["run", "--config", shop.configuration, "--once"], in: shop.path) == 0)
            for stream in ShopLog.streams.indices { feeder.rotate(stream) }
        }
        func copy(_ from: String, _ to: String) {
            for name in ["state", "outbox"] where access("\(from)/\(name)", F_OK) == 0 {
                #expect(Program.run(["-a", "\(from)/\(name)", to], program: "/bin/cp", in: shop.path, name: "cp") == 0)
            }
        }
        copy(shop.path, saved)
        feeder.write(beginning == .half ? lines[35...] : lines[...])
        let expected = shop.replay()
        #expect(expected.count > 20)
        let run = ["run", "--config", shop.configuration, "--once", "--drain"]

        var injections = 0
        var codes: [Int32: Int] = [:]
        for fault in Self.faults {
            var place = LiveReplayTests.factor > 1 ? 1 : 1 + (fault.stride + (beginning == .half ? 1 : 0)) / 2
            while true {
                Files.removeTree(shop.state)
                Files.removeTree(shop.outbox)
                copy(saved, shop.path)
                unlink(shop.path + "/run.err")
                let what = "\(beginning): \(fault.calls):\(fault.what):when=\(place)"
                // With its filter strace 6.1 injects no signals.
                let traced =
                    (fault.what == "signal=KILL" ? ["-f"] : ["-f", "--seccomp-bpf"]) + [
                        "-o", shop.path + "/trace", "-e", "trace=\(fault.calls)", "-e",
                        "inject=\(fault.calls):\(fault.what):when=\(place)",
                    ]
                    + [Program.path] + run
                let code = Program.run(traced, program: strace, in: shop.path)
                let said = Files.text(shop.path + "/run.err")
                let happened =
                    Files.text(shop.path + "/trace").contains("(INJECTED)") || code == -SIGKILL || code == 128 + SIGKILL
                codes[code, default: 0] += 1
                if happened {
                    injections += 1
                    if fault.what == "signal=KILL" {
                        #expect(code == -SIGKILL || code == 128 + SIGKILL, "\(what): \(said)")
                    } else {
                        // 127: the loader found no library, so the program never began.
                        #expect([0, 65, 73, 74, 78, 127].contains(code), "\(what): ended with \(code): \(said)")
                        #expect(code == 0 || !said.isEmpty, "\(what): ended with \(code) and not a word")
                    }
                }
                let again = shop.drain()
                #expect(again == 0, "\(what): the clean run after it ended with \(again): \(Files.text(shop.path + "/run.err"))")
                expectSame(published(shop.outbox), expected, what)
                try shop.checkState(what)
                if !happened { break }
                place += LiveReplayTests.factor > 1 ? 1 : fault.stride
            }
        }
        print(
            "\(beginning): \(injections) faults injected; the program ended with \(codes.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))"
        )
    }
}
