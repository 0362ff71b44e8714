/// The stable code of a refusal, in the `code` member of a problem document (RFC 9457) and in what the tools print.
///
/// Programs decide by the code; the sentence beside it is for people and may be reworded.
public enum ProblemCode: String, Codable, Sendable, CaseIterable {
    // What a request says.
    case buildIDMalformed = "build-id-malformed"
    case digestMalformed = "digest-malformed"
    case pathMalformed = "path-malformed"
    case parameterMalformed = "parameter-malformed"
    /// It is of another order than the one asked for.
    case cursorMismatch = "cursor-mismatch"
    case requestMalformed = "request-malformed"
    case contentDigestMismatch = "content-digest-mismatch"
    case uploadIncomplete = "upload-incomplete"
    case uploadTooLarge = "upload-too-large"
    case methodNotAllowed = "method-not-allowed"
    case rangeNotSatisfiable = "range-not-satisfiable"
    case preconditionFailed = "precondition-failed"
    case sightingMalformed = "sighting-malformed"
    case sightingTooLarge = "sighting-too-large"

    // Who may ask.
    case tokenMissing = "token-missing"
    case tokenUnknown = "token-unknown"
    case tokenExpired = "token-expired"
    case roleInsufficient = "role-insufficient"
    /// A page of another site has a browser change something.
    case crossSite = "cross-site"

    // Uploads in several requests, and under a claim.
    case claimStale = "claim-stale"
    case uploadUnknown = "upload-unknown"
    case uploadOffsetMismatch = "upload-offset-mismatch"
    case uploadTypeUnknown = "upload-type-unknown"
    case tooManyUploads = "too-many-uploads"

    // What is not there.
    case routeUnknown = "route-unknown"
    case kernelUnknown = "kernel-unknown"
    case kernelHasNoHeaders = "kernel-has-no-headers"
    /// An operator deleted it, or it was kept as long as kernels are.
    case kernelPurged = "kernel-purged"
    case treeUnknown = "tree-unknown"
    case fileUnknown = "file-unknown"
    case sectionUnknown = "section-unknown"
    case artifactUnknown = "artifact-unknown"

    // Precompiled headers: what is not there, and why.
    case toolchainUnknown = "toolchain-unknown"
    case profileUnknown = "profile-unknown"
    case umbrellaUnknown = "umbrella-unknown"
    /// This server makes none.
    case pchOff = "pch-off"
    /// The compiler did not take the headers; its own words are in the detail.
    case pchBuildFailed = "pch-build-failed"
    /// The client's own headers and this kernel's do not go together.
    case pchPairRefused = "pch-pair-refused"
    /// The build took more time, memory, or disk than it may.
    case pchLimit = "pch-limit"
    /// The code that a program becomes is not the same with the PCH.
    case pchUnproved = "pch-unproved"
    /// There is one by a builder only, and the client did not say that it takes these.
    case pchRankTooLow = "pch-rank-too-low"
    case pchQueueFull = "pch-queue-full"
    // Profiles and PCHs that are sent.
    case profileMalformed = "profile-malformed"
    case profileTooLarge = "profile-too-large"
    case pchMalformed = "pch-malformed"
    /// This server has one of the same key, which it or another made.
    case pchConflict = "pch-conflict"

    // What the client does not want (debuginfod's X-DEBUGINFOD-MAXSIZE).
    case largerThanMaxsize = "larger-than-maxsize"

    // What does not fit what the server has.
    case treeConflict = "tree-conflict"
    case btfConflict = "btf-conflict"
    /// A kernel that is to be deleted is pinned.
    case kernelPinned = "kernel-pinned"
    case releaseMismatch = "release-mismatch"
    case architectureMismatch = "architecture-mismatch"

    // BTF that is none.
    case btfMalformed = "btf-malformed"

    // Archives (promise 5), one code an attack.
    case archiveFormatUnknown = "archive-format-unknown"
    case archiveEmpty = "archive-empty"
    case archiveHasNoHeaders = "archive-has-no-headers"
    case archiveCorrupt = "archive-corrupt"
    case archiveTruncated = "archive-truncated"
    case archiveTrailingData = "archive-trailing-data"
    case archiveChecksum = "archive-checksum"
    case archiveWindowTooLarge = "archive-window-too-large"
    case archiveTooLarge = "archive-too-large"
    case archiveRatio = "archive-ratio"
    case archiveTimeLimit = "archive-time-limit"
    case archiveTooManyEntries = "archive-too-many-entries"
    case archiveFileTooLarge = "archive-file-too-large"
    case archiveMetadataTooLarge = "archive-metadata-too-large"
    case archivePathAbsolute = "archive-path-absolute"
    case archivePathParent = "archive-path-parent"
    case archivePathEmpty = "archive-path-empty"
    case archivePathNotUTF8 = "archive-path-not-utf8"
    case archivePathContainsNUL = "archive-path-contains-nul"
    case archivePathTooLong = "archive-path-too-long"
    case archivePathTooDeep = "archive-path-too-deep"
    case archivePathDuplicate = "archive-path-duplicate"
    case archivePathThroughLink = "archive-path-through-link"
    case archivePathThroughFile = "archive-path-through-file"
    case archiveLinkEscapes = "archive-link-escapes"
    case archiveHardLinkEscapes = "archive-hard-link-escapes"
    case archiveHardLinkDangling = "archive-hard-link-dangling"
    case archiveDevice = "archive-device"
    case archiveFIFO = "archive-fifo"
    case archiveEntryKind = "archive-entry-kind"

    // The server itself.
    /// It is about to end.
    case serverDraining = "server-draining"
    /// Its disk is full; what it has can be had.
    case serverReadOnly = "server-read-only"
    case diskFull = "disk-full"
    case storeDamaged = "store-damaged"
    case internalError = "internal-error"

    /// The HTTP status that goes with the code.
    public var status: Int {
        switch self {
        case .buildIDMalformed, .digestMalformed, .pathMalformed, .parameterMalformed, .cursorMismatch,
            .requestMalformed,
            .contentDigestMismatch, .uploadIncomplete, .sightingMalformed:
            400
        case .tokenMissing, .tokenUnknown, .tokenExpired: 401
        case .roleInsufficient, .crossSite: 403
        case .routeUnknown, .kernelUnknown, .kernelHasNoHeaders, .kernelPurged, .treeUnknown, .fileUnknown,
            .sectionUnknown,
            .artifactUnknown, .uploadUnknown, .toolchainUnknown, .profileUnknown, .umbrellaUnknown, .pchOff,
            .pchBuildFailed, .pchPairRefused, .pchLimit, .pchUnproved, .pchRankTooLow:
            404
        case .methodNotAllowed: 405
        case .largerThanMaxsize: 406
        case .treeConflict, .btfConflict, .kernelPinned, .claimStale, .uploadOffsetMismatch, .pchConflict: 409
        case .preconditionFailed: 412
        case .uploadTooLarge, .sightingTooLarge, .profileTooLarge: 413
        case .archiveFormatUnknown, .uploadTypeUnknown: 415
        case .rangeNotSatisfiable: 416
        case .tooManyUploads, .pchQueueFull: 429
        case .internalError, .storeDamaged: 500
        case .serverDraining, .serverReadOnly: 503
        case .diskFull: 507
        default: 422
        }
    }

    /// What the problem is, in a few words that are the same each time (RFC 9457's `title`).
    public var title: String { Self.titles[self, default: words] }

    private static let titles = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.words) })

    private var words: String {
        // Without `replacing`: its module, regular expressions and all, would be in every agent.
        let words = rawValue.split(separator: "-").map { word in
            switch word {
            case "id", "fifo", "nul", "btf", "pch": word.uppercased()
            case "utf8": "UTF-8"
            default: String(word)
            }
        }
        let text = words.joined(separator: " ")
        return text.prefix(1).uppercased() + text.dropFirst()
    }
}
