/// The arguments with which a client's clang takes a PCH: the profile's, with the folders of the tree become those of its
/// stubs, and without the headers that are included before the program, which are in the PCH.
struct ClientArguments {
    /// Beside this file clang looks for a PCH when a tool includes it first (clang's driver, `AddPreprocessingOptions`).
    static let kconfig = "include/linux/kconfig.h"
    /// Stands for the folder of the stubs in ``PCHManifest/arguments``.
    static let placeholder = "{stubs}"

    /// Empty for a tool that passes its own.
    let list: [String]

    init(profile: CompilerProfile, flags: [String]) {
        guard !profile.isFoundByName else {
            list = []
            return
        }
        var list: [String] = []
        var rest = flags[...]
        while let flag = rest.popFirst() {
            switch flag {
            case "-include": _ = rest.popFirst()
            case "-isystem", "-idirafter", "-I": list += [flag, Self.moved(rest.popFirst() ?? "")]
            case let flag where flag.hasPrefix("-I"): list.append("-I" + Self.moved(String(flag.dropFirst(2))))
            default: list.append(flag)
            }
        }
        self.list = list
    }

    private static func moved(_ folder: String) -> String {
        folder.hasPrefix("/") ? folder : "\(placeholder)/\(ConfinedCompiler.normalised(folder) ?? "")"
    }

    /// With the stubs' folder in its place.
    func list(stubs: String) -> [String] { PCHManifest.filled(list, stubs: stubs) }
}
