import ArgumentParser
import Engine
import Storage

struct SegmentsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "segments", abstract: "Shows how many customers are in each segment, or who is in one.")

    @OptionGroup var config: ConfigurationOption

    @Argument(help: ArgumentHelp("A segment, whose members are listed.", valueName: "name"))
    var name: String?

    @Option(help: "How many members to list.")
    var limit = 1000

    @OptionGroup var output: OutputOption

    func run() throws {
        try reporting {
            let state = try LiveState(config)
            guard let name else {
                let sizes = try state.store.segmentSizes()
                var table = Table([Column("segment"), Column("members", isNumber: true), Column("condition", isElastic: true)])
                for segment in state.loaded.rules.segments {
                    let members = sizes.first { $0.segment == segment.name }?.members ?? 0
                    table.add([.text(segment.name), .number(Int64(members)), .text(segment.condition.text.value)])
                }
                try table.write(output, ifEmpty: "The configuration declares no segments.")
                return
            }
            guard state.loaded.rules.segment(named: name) != nil else {
                throw Failure(.usage, "there is no segment \"\(name)\"; `nudged segments` lists them")
            }
            var table = Table([Column("customer", isElastic: true), Column("entered_at")])
            for member in try state.store.memberList(of: name, limit: limit) {
                table.add([.text(member.customer), .time(member.enteredAt)])
            }
            try table.write(output, ifEmpty: "Nobody is in \(name) at present.")
        }
    }
}
