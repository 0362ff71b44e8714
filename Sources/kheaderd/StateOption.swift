import ArgumentParser
import FoundationEssentials
import HeaderStore

/// Whose tokens.
struct StateOption: ParsableArguments {
    @Option(help: ArgumentHelp("The store's folder. (default: KHEADERD_STATE)", valueName: "DIR"))
    var state: String?

    func tokens() throws -> TokenFile { TokenFile(state: try folder()) }

    func folder() throws -> String {
        guard let state = state ?? ProcessInfo.processInfo.environment["KHEADERD_STATE"], !state.isEmpty else {
            throw ValidationError("Say where the store is: --state DIR, or KHEADERD_STATE.")
        }
        return state
    }
}
