import Configuration
import FoundationEssentials
import Synchronization

/// The settings that are looked for, so that what an operator wrote and nobody looks for can be told: a policy that deletes
/// kernels must not be ignored for a slip of the pen.
final class KnownSettings: AccessReporter {
    /// What the command line can say is not looked for when it did.
    private let keys = Mutex<Set<String>>(["state", "listen", "anonymousReads"])
    /// Whose members have names that the operator chooses.
    private static let open: Set<String> = ["pch.umbrellas", "pch.profiles"]
    /// Of the Makefile: where kernel packages are kept, and where tests find them.
    private static let notTheServers: Set<String> = ["CACHE", "PACKAGES"]

    func report(_ event: AccessEvent) {
        keys.withLock { _ = $0.insert(event.metadata.key.components.joined(separator: ".")) }
    }

    /// - Parameter json: the settings' file; it is known to be JSON.
    /// - Throws: ``SettingsError`` for the first member that is no setting.
    func check(json: Data) throws {
        let known = keys.withLock { $0 }.union(Self.open)
        guard let written = try? JSONDecoder().decode(Written.self, from: json),
            let unknown = written.keys().sorted().first(where: { !known.contains($0) })
        else { return }
        // Those in it, if it is a group; else those beside it; else those at the top, groups by their names.
        let parent = unknown.lastIndex(of: ".").map { String(unknown[...$0]) } ?? ""
        let near = ["\(unknown).", parent].lazy.map { prefix in
            known.filter { !prefix.isEmpty && $0.hasPrefix(prefix) }
        }.first { !$0.isEmpty }
        let top = Set(known.map { String($0.prefix { $0 != "." }) })
        let all = (near ?? top).sorted().joined(separator: ", ")
        throw SettingsError(description: "\"\(unknown)\" in the file is no setting. There are \(all).")
    }

    /// Of variables' names without `KHEADERD_`, those that are no setting. They may be for something else: Kubernetes
    /// makes some for a service of this name.
    func unknown(variables: [String]) -> [String] {
        let known = Set(keys.withLock { $0 }.map(Self.variable)).union(Self.notTheServers)
        return variables.filter { !known.contains($0) }.sorted()
    }

    /// `limits.fileBytes` as `LIMITS_FILE_BYTES`.
    private static func variable(_ key: String) -> String {
        key.reduce(into: "") { name, letter in
            if letter.isUppercase { name += "_" }
            name += letter == "." ? "_" : letter.uppercased()
        }
    }

    /// A value of the file: only its members' names matter.
    private struct Written: Decodable {
        private let members: [String: Written]?

        init(from decoder: any Decoder) throws {
            members = try? decoder.singleValueContainer().decode([String: Written].self)
        }

        /// The keys of all values that are no objects.
        func keys(below path: String = "") -> [String] {
            guard let members, !KnownSettings.open.contains(path) else { return path.isEmpty ? [] : [path] }
            return members.flatMap { $1.keys(below: path.isEmpty ? $0 : "\(path).\($0)") }
        }
    }
}
