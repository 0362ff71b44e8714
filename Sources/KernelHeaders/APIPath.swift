/// The server's URLs, as paths with percent-encoding done.
public enum APIPath {
    public static let kernels = "/v1/kernels"
    public static let store = "/v1/store"
    /// How the store's verify stands (GET), and to have it read all at once (POST); the same of collect and repack.
    public static let verify = "/v1/store/verify"
    public static let collect = "/v1/store/collect"
    public static let repack = "/v1/store/repack"
    /// The query item of a collect or a removal of kernels that changes nothing: `true` or `false`.
    public static let dryRun = "dryRun"
    /// The clangs that the server makes PCHs with, their profiles, the umbrellas.
    public static let toolchains = "/v1/toolchains"

    public static func kernel(_ id: BuildID) -> String { "\(kernels)/\(id)" }
    /// The list of the kernels with one release.
    public static func kernels(release: String) -> String { kernels + query([("release", release)]) }
    public static func pin(_ id: BuildID) -> String { "\(kernel(id))/pin" }
    /// The hosts that run a kernel.
    ///
    /// - Parameter digest: only those that said that they have this, of headers or BTF.
    public static func hosts(
        _ id: BuildID, digest: Digest? = nil, limit: Int? = nil, cursor: String? = nil
    ) -> String {
        let items = [("digest", digest.map { "\($0)" }), ("limit", limit.map { "\($0)" }), ("cursor", cursor)]
        return "\(kernel(id))/hosts" + query(items)
    }
    /// What is not the same on all hosts under one build ID.
    public static func conflicts(_ id: BuildID) -> String { "\(kernel(id))/conflicts" }
    public static let conflicts = "/v1/conflicts"
    /// Where kernels that are not kept any longer are removed.
    public static let retention = "/v1/retention"
    public static let coverage = "/v1/coverage"
    public static func headers(_ id: BuildID) -> String { "\(kernels)/\(id)/headers" }
    /// Where a kernel's BTF is uploaded; it is fetched from ``btfSection(_:)``.
    public static func btf(_ id: BuildID) -> String { "\(kernels)/\(id)/btf" }
    /// Where agents report that a host runs a kernel.
    public static func sightings(_ id: BuildID) -> String { "\(kernel(id))/sightings" }
    /// An upload that was begun and can be resumed (draft-ietf-httpbis-resumable-upload).
    public static func upload(_ token: String) -> String { "/v1/uploads/\(percentEncoded(token))" }
    /// A kernel's raw BTF, under the path that debuginfod's clients ask for.
    public static func btfSection(_ id: BuildID) -> String { "/buildid/\(id)/section/\(btfSectionName)" }
    /// The ELF section that holds a kernel's BTF.
    public static let btfSectionName = ".BTF"
    public static func bundle(_ id: BuildID, _ format: BundleFormat) -> String {
        "/buildid/\(id)/headers.\(format.rawValue)"
    }
    public static func manifest(_ id: BuildID) -> String { "/buildid/\(id)/manifest.json" }
    /// One file of a kernel's headers.
    public static func source(_ id: BuildID, _ path: HeaderPath) -> String {
        "/buildid/\(id)/source/" + path.components.map(percentEncoded).joined(separator: "/")
    }
    public static func source(tree: Digest, _ path: HeaderPath) -> String {
        "/trees/\(tree)/source/" + path.components.map(percentEncoded).joined(separator: "/")
    }
    public static func bundle(tree: Digest, _ format: BundleFormat) -> String {
        "/trees/\(tree)/headers.\(format.rawValue)"
    }

    /// A PCH of a kernel's headers.
    ///
    /// - Parameters:
    ///   - profile: a name that the server knows, or a profile's ID.
    public static func pch(_ id: BuildID, toolchain: Digest, profile: String, umbrella: String) -> String {
        "/buildid/\(id)/pch/\(toolchain)/\(percentEncoded(profile))/\(percentEncoded(umbrella))"
    }
    /// What is known of it (`PCHManifest`).
    public static func pchManifest(_ id: BuildID, toolchain: Digest, profile: String, umbrella: String) -> String {
        pch(id, toolchain: toolchain, profile: profile, umbrella: umbrella) + "/manifest.json"
    }
    /// Where a client's own flags and headers (`CompilerProfile`) are uploaded, under their ID.
    public static func profile(_ id: Digest) -> String { "/v1/profiles/\(id)" }

    /// A query string of the given names and values, `?` included; empty if every value is nil.
    public static func query(_ items: [(name: String, value: String?)]) -> String {
        let pairs = items.compactMap { item in item.value.map { "\(item.name)=\(percentEncoded($0))" } }
        return pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    }

    /// Everything but RFC 3986's unreserved characters as `%XX`.
    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += "%" + Hexadecimal.encode(CollectionOfOne(byte)).uppercased()
            }
        }
        return encoded
    }

    /// The bytes of a path or query item, each `%XX` replaced by the byte it means; nil if a `%` has no two digits behind.
    /// By hand: FoundationEssentials has no `removingPercentEncoding`, and bytes that are not UTF-8 must survive.
    public static func percentDecoded(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, let decoded = Hexadecimal.decode(String(rest.prefix(2))?.lowercased() ?? "")
                else { return nil }
                bytes += decoded
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
