import FoundationEssentials
import HeaderArchive
import KernelHeaders
import PrecompiledHeaders

/// The umbrellas and profiles that an operator has written down, by their names. swift-configuration looks up what one knows
/// the name of; these are read from the file itself.
struct OwnPCHSettings: Decodable {
    private struct Own: Decodable {
        var umbrellas: [String: [String]]?
        var profiles: [String: Profile]?
    }

    private struct Profile: Decodable {
        var flags: [String]
        var prologue: String?
    }

    /// The most headers of an umbrella.
    private static let maximumHeaders = 256

    private var pch: Own?

    /// - Parameter file: the JSON file's path; it is known to be JSON.
    /// - Throws: ``SettingsError``.
    init(file: String) throws {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(try FileSource(path: file).readAll()))
        } catch is DecodingError {
            throw SettingsError(
                description: #"pch.umbrellas is {"NAME": ["linux/sched.h", …]}, "#
                    + #"pch.profiles is {"NAME": {"flags": ["-O2", …]}}."#)
        }
    }

    /// - Throws: ``SettingsError`` for what can't be used.
    func checked() throws -> (umbrellas: [Umbrella], profiles: [CompilerProfile]) {
        (
            try (pch?.umbrellas ?? [:]).sorted { $0.key < $1.key }.map { try Self.umbrella($0.key, $0.value) },
            try (pch?.profiles ?? [:]).sorted { $0.key < $1.key }.map { try Self.profile($0.key, $0.value) }
        )
    }

    private static func umbrella(_ name: String, _ headers: [String]) throws -> Umbrella {
        guard Umbrella.isName(name), !Umbrella.standard.contains(where: { $0.name == name }) else {
            throw SettingsError(
                description:
                    "\"\(name)\" in pch.umbrellas is no name: up to 32 lower-case letters, digits and hyphens, "
                    + "and not one of \(Umbrella.standard.map(\.name).joined(separator: ", ")).")
        }
        guard (1...maximumHeaders).contains(headers.count), headers.allSatisfy(isHeader) else {
            throw SettingsError(
                description: "An umbrella has 1 to \(maximumHeaders) headers, as programs include them: linux/sched.h. "
                    + "\"\(name)\" in pch.umbrellas has not.")
        }
        return Umbrella(name: name, headers: headers)
    }

    /// Whether it can stand between `<` and `>`.
    private static func isHeader(_ text: String) -> Bool {
        HeaderPath(text) != nil && text.isLabel(maximumLength: 256) && !text.contains { "<>\"\\".contains($0) }
    }

    private static func profile(_ name: String, _ own: Profile) throws -> CompilerProfile {
        let isReserved = name == "bpf" || name == "bcc" || name.hasPrefix("bcc-") || name.hasPrefix("clang-")
        guard !isReserved, Digest(name) == nil else {
            throw SettingsError(
                description:
                    "\"\(name)\" in pch.profiles is no name: bpf, bcc, clang-… and digests mean something else.")
        }
        let profile = CompilerProfile(name: name, flags: own.flags, prologue: own.prologue ?? "")
        do {
            try profile.check()
        } catch let problem as Problem {
            throw SettingsError(description: "\"\(name)\" in pch.profiles can't be used: \(problem.detail)")
        }
        return profile
    }
}
