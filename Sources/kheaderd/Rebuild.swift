import ArgumentParser
import FoundationEssentials
import HeaderStore
import Logging

struct Rebuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a store's catalogue again from its packs.",
        discussion: """
            For a catalogue that is lost or damaged. No server may have the store. Kernels, trees and contents come back; \
            hosts, their reports, conflicts, pins and what was deleted do if the old catalogue is there and can still be \
            read. Root becomes the user whose the folder is. Prints what it found as JSON; exits with 1 if a pack is \
            damaged or can't be used.
            """)

    @Option(help: ArgumentHelp("The store's folder.", valueName: "DIR"))
    var state: String

    func run() async throws {
        try StoreOwner.become(of: state)
        let report = try CatalogueRebuild(folder: state, logger: .toStandardError(level: .info)).run()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        StandardOutput.write(String(decoding: try encoder.encode(report), as: UTF8.self) + "\n")
        if !report.damagedPacks.isEmpty || !report.unusedPacks.isEmpty { throw ExitCode.failure }
    }
}
