import ArgumentParser
import Engine
import Glibc
import Simulation

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes the log of a seeded, realistic shop, at once or live at a rate.",
        discussion:
            "The same seed and settings give the same bytes on every machine. By default a week of a small shop, in which every shipped rule finds something to do."
    )

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to append to; - for standard output.", valueName: "file"))
    var output = "-"

    @Option(help: "What the shop's chance starts from.")
    var seed: UInt64 = 1

    @Option(help: "How many customers there are.")
    var customers: Int?

    @Option(help: "How many products there are.")
    var products: Int?

    @Option(help: "How many days pass.")
    var days: Int?

    @Option(help: "End after this many lines.")
    var lines: Int?

    @Option(help: ArgumentHelp("When the first day starts (RFC 3339, or a date).", valueName: "time"))
    var start: String?

    @Option(help: ArgumentHelp("How long after its time an event is written at most, as 2s or 1m.", valueName: "duration"))
    var disorder: String?

    @Option(help: "Share of lines that are written twice, in millionths.")
    var duplicates: Int?

    @Option(help: "Share of lines that are broken, in millionths.")
    var malformed: Int?

    @Flag(
        help:
            "The benchmark's shop (25,000 customers, 14 days, a million lines) instead of the small week; --customers and --lines count."
    )
    var benchmark = false

    @Option(help: ArgumentHelp("Write live, so many lines a second.", valueName: "lines"))
    var rate: Int?

    @Option(
        help: ArgumentHelp(
            "Rotate the file after so many lines: it is renamed to FILE.1 and so on, and begun anew.", valueName: "lines"))
    var rotate: Int?

    func validate() throws {
        if let start, Instant.parse(start) == nil {
            throw ValidationError("--start takes a time such as 2026-03-01T00:00:00Z")
        }
        if let disorder, DurationLiteral.parse(disorder) == nil {
            throw ValidationError("--disorder takes a duration such as 2s")
        }
        if let rate, rate < 1 { throw ValidationError("--rate takes a number of lines a second, from 1") }
        if let rotate, rotate < 1 || output == "-" {
            throw ValidationError("--rotate takes a number of lines, and --output a file")
        }
        for (name, value) in [("customers", customers), ("products", products), ("days", days), ("lines", lines)]
        where value ?? 1 < 1 {
            throw ValidationError("--\(name) starts at 1")
        }
        for (name, value) in [("duplicates", duplicates), ("malformed", malformed)] where !(0...1_000_000).contains(value ?? 0) {
            throw ValidationError("--\(name) is a share in millionths: 0 to 1000000")
        }
    }

    private var shop: Shop {
        let preset =
            benchmark ? Shop.benchmark(events: lines ?? 1_000_000, customers: customers ?? 25_000) : Shop.week(seed: seed)
        var settings = preset.settings
        settings.seed = seed
        settings.customers = customers ?? settings.customers
        settings.products = products ?? settings.products
        settings.days = days ?? settings.days
        settings.lines = lines ?? settings.lines
        settings.start = start.flatMap { Instant.parse($0) } ?? settings.start
        settings.disorder = disorder.flatMap { DurationLiteral.parse($0) } ?? settings.disorder
        settings.duplicates = duplicates ?? settings.duplicates
        settings.malformed = malformed ?? settings.malformed
        return Shop(settings)
    }

    func run() throws {
        try reporting {
            var shop = shop
            var file = try open()
            defer { if file != 1 { close(file) } }
            var buffer: [UInt8] = []
            var written = 0
            let started = wallClock()
            while shop.append(to: &buffer) != nil {
                written += 1
                let isDue = rate.map { written % max(1, $0 / 50) == 0 } ?? (buffer.count > 1 << 18)
                let rotates = rotate.map { written % $0 == 0 } ?? false
                guard isDue || rotates else { continue }
                try flush(&buffer, to: file)
                if rotates {
                    close(file)
                    rename(output, "\(output).\(written / (rotate ?? 1))")
                    file = try open()
                }
                if let rate {
                    let ahead = Instant(written) * 1000 / Instant(rate) - (wallClock() - started)
                    if ahead > 0 { usleep(UInt32(clamping: ahead * 1000)) }
                }
            }
            try flush(&buffer, to: file)
        }
    }

    private func open() throws -> Int32 {
        if output == "-" { return 1 }
        let file = Glibc.open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Failure(.noOutput, "\(output): can't be written (\(String(cString: strerror(errno))))") }
        return file
    }

    private func flush(_ buffer: inout [UInt8], to file: Int32) throws {
        var start = 0
        while start < buffer.count {
            let count = buffer.withUnsafeBytes { write(file, $0.baseAddress.map { $0 + start }, buffer.count - start) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure(.noOutput, "\(output): can't be written (\(String(cString: strerror(errno))))") }
            start += count
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
