import Hummingbird
import KernelHeaders
import OperatorDocuments

/// The queries of operators, checked. Each refusal is a `Problem` with `parameter-malformed`.
extension Request {
    /// The longest pattern taken, in bytes, and the most `*` in it: with more, to match it with one release takes longer
    /// than anyone wants to wait.
    static let maximumGlobLength = 256
    static let maximumGlobStars = 8

    var cursor: String? { query("cursor").flatMap { $0.isEmpty ? nil : $0 } }

    /// That a filter which is misspelt, or that only a newer server knows, gives all kernels, nobody expects.
    func hasOnly(_ names: [String]) throws {
        var seen: Set<Substring> = []
        for (name, _) in uri.queryParameters where !names.contains(String(name)) || !seen.insert(name).inserted {
            let shown = String(name.prefix(64)).withoutControlCharacters
            throw Problem(
                .parameterMalformed,
                "The query has a parameter '\(shown)' that is unknown here, or there twice. There are: "
                    + "\(names.joined(separator: ", ")).")
        }
    }

    /// Why a kernel is pinned or deleted.
    func reason() throws -> String? {
        guard let text = query("reason"), !text.isEmpty else { return nil }
        guard text.isLabel(maximumLength: KernelMark.maximumReasonLength) else {
            throw Problem(
                .parameterMalformed,
                "reason is over \(KernelMark.maximumReasonLength) bytes, or has control characters. Say it in a sentence."
            )
        }
        return text
    }

    func kernelQuery() throws -> KernelQuery {
        var kernels = KernelQuery()
        kernels.release = try label("release")
        kernels.releaseGlob = try label("releaseGlob")
        if let glob = kernels.releaseGlob {
            guard glob.utf8.count <= Self.maximumGlobLength,
                glob.utf8.count(where: { $0 == UInt8(ascii: "*") }) <= Self.maximumGlobStars
            else {
                throw Problem(
                    .parameterMalformed,
                    "releaseGlob is over \(Self.maximumGlobLength) bytes, or has over \(Self.maximumGlobStars) *.")
            }
        }
        kernels.architecture = try label("architecture")
        kernels.distribution = try label("distribution")
        kernels.hasHeaders = try boolean("headers")
        kernels.hasBTF = try boolean("btf")
        kernels.hasPCH = try boolean("pch")
        kernels.source = try choice("source", HeaderSource.allCases)
        kernels.hasConflicts = try boolean("conflict")
        kernels.isDamaged = try boolean("damaged")
        kernels.isPinned = try boolean("pinned")
        kernels.isRunning = try boolean("running")
        kernels.isPurged = try boolean("purged")
        if query("seenSince")?.isEmpty == false {
            kernels.seenSince = try integer("seenSince", in: 0...Int.max, default: 0)
        }
        kernels.sort = try choice("sort", KernelQuery.Sort.allCases) ?? .release
        kernels.isDescending = try choice("order", ListOrder.allCases).map { $0 == .desc }
        kernels.limit = try integer("limit", in: 1...KernelQuery.maximumLimit, default: KernelQuery.maximumLimit)
        kernels.cursor = cursor
        return kernels
    }

    private enum ListOrder: String, CaseIterable { case asc, desc }

    private func choice<Value: RawRepresentable<String>>(_ name: String, _ values: [Value]) throws -> Value? {
        guard let text = query(name), !text.isEmpty else { return nil }
        guard let value = values.first(where: { $0.rawValue == text }) else {
            throw Problem(
                .parameterMalformed, "\(name) is one of \(values.map(\.rawValue).joined(separator: ", ")).")
        }
        return value
    }
}
