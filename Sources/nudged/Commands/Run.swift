import ArgumentParser

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The daemon.")
    func run() throws {}
}
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "s.")
    func run() throws {}
}
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "s.")
    func run() throws {}
}
