import ArgumentParser
import Engine
import Glibc
import Outbox
import Pipeline
import Storage

/// Why a command ends without success: one clear sentence with what to do, and the exit code of `operations.md`.
struct Failure: Error, CustomStringConvertible {
    enum Code: Int32 {
        case usage = 64
        case data = 65
        case noOutput = 73
        case io = 74
        case held = 75
        case configuration = 78
    }

    let code: Code
    let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// The exit code that fits an error of the libraries.
    init(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as StoreError:
            switch error.kind {
            case .held: self.init(.held, error.message)
            case .corrupt, .newer, .missing: self.init(.data, error.message)
            case .readOnly: self.init(.noOutput, error.message)
            case .full, .io, .other: self.init(.io, error.message)
            }
        case let error as OutboxError: self.init(error.kind == .inputOutput ? .io : .noOutput, "\(error)")
        case let error as SecretLost: self.init(.data, error.description)
        case let error as ReadingPaused: self.init(.noOutput, error.description)
        case let error as ControlLogError: self.init(error.code == ENOSPC || error.code == EIO ? .io : .noOutput, "\(error)")
        default: self.init(.io, "\(error)")
        }
    }
}

/// Writes to standard error.
func complain(_ text: String) {
    var text = text + "\n"
    text.withUTF8 { bytes in
        var start = 0
        while start < bytes.count {
            let count = write(2, bytes.baseAddress.map { $0 + start }, bytes.count - start)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return }
            start += count
        }
    }
}

/// Runs a command's body; an error becomes one sentence and an exit code, also that what it printed can't be written.
func reporting(_ body: () throws -> Void) throws {
    do {
        try body()
        guard fflush(nil) == 0 else { throw StandardOutput.failure(errno) }
    } catch let error as ExitCode { throw error } catch {
        let failure = Failure(error)
        ServiceLog()(.error, failure.description)
        throw ExitCode(failure.code.rawValue)
    }
}
