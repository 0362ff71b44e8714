/// Why a kernel can't be identified, or a distribution's packages can't be used.
public struct ProbeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What programs and tests decide by; the sentence beside it may be reworded.
    public enum Reason: String, Sendable, CaseIterable {
        /// `/sys/kernel/notes` can't be read.
        case notesUnreadable
        /// A run of ELF notes that breaks its own lengths.
        case notesMalformed
        case noBuildID
        /// Notes that disagree about the build ID.
        case severalBuildIDs
        /// A folder, a device, a pipe.
        case notAFile
        /// The file ends before a part that it says it has.
        case truncated
        /// A file of a known or unknown format that no build ID can be read from.
        case formatUnsupported
        case elfMalformed
        /// An ELF file without the kernel's banner: a program, a module, a boot wrapper.
        case notAKernel
        case bootHeaderMalformed
        case payloadUnsupported
        case payloadDamaged
        /// More bytes than the caller's limit.
        case tooLarge
        case notADebianPackage
        case packageDamaged
        /// A package lacks what its name promises.
        case packageIncomplete
        /// A kernel's image or headers are not among the packages.
        case packageMissing
        /// Packages that go together by name but are of different builds.
        case packageMismatch
        /// None of the packages is a kernel's.
        case nothingToImport
        /// Other threads would keep the privileges that one drops.
        case privilegesKept
    }

    public let reason: Reason
    /// A sentence that a person can act on.
    public let description: String

    /// - Parameter sentence: may quote names from hostile files: what could control a terminal is replaced.
    init(_ reason: Reason, _ sentence: String) {
        self.reason = reason
        description = String(
            String.UnicodeScalarView(
                sentence.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}
