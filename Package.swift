// swift-tools-version: 6.2
import PackageDescription

/// One list of settings for every Swift target: the language mode comes from `swiftLanguageModes`, a warning is an error, and
/// the optimiser may look across modules, because the hot path crosses Ingest, Engine and CEL.
let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

let package = Package(
    name: "nudged",
    products: [.executable(name: "nudged", targets: ["nudged"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", exact: "2.1.1"),
    ],
    targets: [
        // C: what Debian keeps (sqlite3, simdjson, zlib, zstd, libmd) and the Linux calls that Glibc's module lacks.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCompression", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev", "zlib1g-dev"])]),
        .systemLibrary(name: "CDigest", pkgConfig: "libmd", providers: [.apt(["libmd-dev"])]),
        .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CLinux"),
        .target(name: "CUnusedBytes", dependencies: ["CSQLite"]),
        .target(name: "CLogBuffer", dependencies: ["CSQLite"]),

        // The pure core: nothing but the standard library.
        .target(name: "CEL", swiftSettings: settings),
        .target(name: "Engine", dependencies: ["CEL"], swiftSettings: settings),

        // Input and output: three that never import each other.
        .target(
            name: "Ingest", dependencies: ["Engine", "CSimdjson", "CCompression", "CDigest", "CLinux"], swiftSettings: settings),
        .target(name: "Storage", dependencies: ["Engine", "CSQLite", "CUnusedBytes", "CLogBuffer"], swiftSettings: settings),
        .target(name: "Outbox", dependencies: ["Engine", "CLinux"], swiftSettings: settings),

        // YAML to values; the one place that knows the configuration's spelling.
        .target(name: "Configuration", dependencies: ["Engine", "Yams"], swiftSettings: settings),

        // Mustache to the content of messages.
        .target(
            name: "Templates", dependencies: ["Engine", .product(name: "Mustache", package: "swift-mustache")],
            swiftSettings: settings),

        // A seeded shop that writes a log: for the demo, benchmarks, and trying rules.
        .target(name: "Simulation", dependencies: ["Engine"], swiftSettings: settings),

        // The path of an event, and the program around it.
        // Each target names all that it imports: the build otherwise misses that a layout has changed.
        .target(
            name: "Pipeline", dependencies: ["CEL", "Engine", "Ingest", "Storage", "Outbox", "CLinux"],
            swiftSettings: settings),
        .executableTarget(
            name: "nudged",
            dependencies: [
                "Configuration", "Engine", "Ingest", "Outbox", "Pipeline", "Simulation", "Storage", "Templates",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        // What a power loss takes, for the tests that crash at every operation.
        .target(
            name: "CrashSimulation", dependencies: ["Outbox", "CSQLite"], path: "Tests/CrashSimulation", swiftSettings: settings),

        .testTarget(name: "CELTests", dependencies: ["CEL"], swiftSettings: settings),
        .testTarget(name: "EngineTests", dependencies: ["Engine", "CEL"], swiftSettings: settings),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "Engine", "CEL"], swiftSettings: settings),
        .testTarget(
            name: "PipelineTests",
            dependencies: [
                "Pipeline", "Configuration", "Simulation", "Engine", "Ingest", "Storage", "Outbox", "Templates",
                "CrashSimulation",
                "CCompression", "CLogBuffer", "CSQLite", "nudged",
            ],
            swiftSettings: settings),
        .testTarget(name: "CommandTests", dependencies: ["nudged", "CSQLite"], swiftSettings: settings),
        .testTarget(name: "TemplatesTests", dependencies: ["Engine", "Templates"], swiftSettings: settings),
        .testTarget(name: "ProjectTests", swiftSettings: settings),
        .testTarget(name: "SimulationTests", dependencies: ["Engine", "Simulation"], swiftSettings: settings),
        .testTarget(name: "IngestTests", dependencies: ["CCompression", "Engine", "Ingest"], swiftSettings: settings),
        .testTarget(name: "OutboxTests", dependencies: ["Outbox", "CrashSimulation"], swiftSettings: settings),
        .testTarget(name: "ServiceTests", dependencies: ["Pipeline", "nudged"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
