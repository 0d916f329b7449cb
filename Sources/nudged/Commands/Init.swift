import ArgumentParser
import Configuration
import Glibc

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a commented starter configuration with the shipped rules.",
        discussion:
            "Never overwrites a file. The rules it includes are those installed with the program; --share says where else they are."
    )

    @Argument(help: ArgumentHelp("Where to write it; - for standard output.", valueName: "file"))
    var file = "nudged.yaml"

    @Option(help: ArgumentHelp("The name messages carry as their source.", valueName: "name"))
    var instance = "shop"

    @Option(help: ArgumentHelp("The directory that holds the shipped rules.", valueName: "directory"))
    var share: String?

    func validate() throws {
        guard Configuration.isInstance(instance) else {
            throw ValidationError("--instance takes \(Configuration.instanceRule), not \"\(instance)\"")
        }
    }

    func run() throws {
        try reporting {
            let text = Starter.text(instance: instance, share: share.map(absolute) ?? ShareDirectory.path)
            guard file != "-" else {
                try StandardOutput.write(text, terminator: "")
                return
            }
            let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else {
                throw Failure(
                    .noOutput,
                    errno == EEXIST
                        ? "\(file) exists already; name another file"
                        : "\(file): can't be created (\(String(cString: strerror(errno))))")
            }
            defer { close(descriptor) }
            let bytes = Array(text.utf8)
            guard write(descriptor, bytes, bytes.count) == bytes.count else {
                throw Failure(.noOutput, "\(file): can't be written (\(String(cString: strerror(errno))))")
            }
            print("Wrote \(file). Edit `sources`, then: nudged check --config \(file)")
        }
    }
}

/// Where the shipped rules are: beside the binary in a checkout or an unpacked archive, else where a package installs them.
enum ShareDirectory {
    static var path: String {
        var room = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &room, room.count - 1)
        if count > 0 {
            var directory = String(decoding: room[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // From .build/CONFIGURATION/nudged or bin/nudged up to the directory that holds share/.
            for _ in 0..<5 {
                guard let slash = directory.lastIndex(of: "/"), slash != directory.startIndex else { break }
                directory = String(directory[..<slash])
                if access(directory + "/share/rules/abandoned-cart.yaml", R_OK) == 0 { return directory + "/share" }
            }
        }
        return Starter.installedShare
    }
}
