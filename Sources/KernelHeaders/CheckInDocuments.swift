/// A document of a check-in that an agent reads: besides `Codable` it can be made of a ``JSONTree``.
package protocol JSONReadable {
    /// - Throws: `JSONTree.Malformed`.
    init(json: JSONTree) throws(JSONTree.Malformed)
}

extension Sighting {
    /// The same JSON as by `Codable`.
    package var json: JSONTree {
        .object([
            "host": .string("\(host)"), "bootID": .string(bootID), "agent": .string(agent), "kernel": kernel.json,
            "steps": .array(steps.map(\.json)), "offers": .array(offers.map(\.json)),
        ])
    }
}

extension KernelIdentity {
    fileprivate var json: JSONTree {
        .object(
            [
                "buildID": .string("\(buildID)"), "release": release.map { .string($0) },
                "versionLine": versionLine.map { .string($0) },
                "architecture": architecture.map { .string($0.machine) }, "hasBTF": hasBTF.map { .bool($0) },
            ].compactMapValues { $0 })
    }
}

extension CollectStep {
    fileprivate var json: JSONTree {
        .object(
            [
                "origin": .string(origin.rawValue), "outcome": .string(outcome.rawValue),
                "detail": detail.map { .string($0) },
            ].compactMapValues { $0 })
    }
}

extension ArtefactOffer {
    fileprivate var json: JSONTree {
        .object(
            [
                "artefact": .string(artefact.rawValue), "origin": origin.map { .string($0.rawValue) },
                "bytes": bytes.map { JSONTree($0) }, "digest": digest.map { .string("\($0)") },
            ].compactMapValues { $0 })
    }
}

extension SightingAnswer: JSONReadable {
    package init(json: JSONTree) throws(JSONTree.Malformed) {
        var verdicts: [ArtefactVerdict] = []
        for element in try json.member("verdicts").elements { verdicts.append(try ArtefactVerdict(json: element)) }
        self.init(verdicts: verdicts, time: try json.member("time").integer)
    }
}

extension ArtefactVerdict: JSONReadable {
    package init(json: JSONTree) throws(JSONTree.Malformed) {
        guard let artefact = Artefact(rawValue: try json.member("artefact").text) else { throw JSONTree.Malformed() }
        self.init(
            artefact, Answer(rawValue: try json.member("answer").text) ?? .unknown,
            Reason(rawValue: try json.member("reason").text) ?? .unknown, try json.member("detail").text,
            claim: try json.optional("claim")?.text, seconds: try json.optional("seconds")?.integer,
            wantsDigest: try json.optional("wantsDigest")?.boolean)
    }
}

extension IngestReceipt: JSONReadable {
    package init(json: JSONTree) throws(JSONTree.Malformed) {
        guard let id = BuildID(try json.member("buildID").text), let tree = Digest(try json.member("treeDigest").text)
        else { throw JSONTree.Malformed() }
        self.init(
            buildID: id, treeDigest: tree, files: try json.member("files").integer,
            bytes: try json.member("bytes").integer, newBlobs: try json.member("newBlobs").integer,
            newBytes: try json.member("newBytes").integer, storedBytes: try json.member("storedBytes").integer)
    }
}

extension BTFReceipt: JSONReadable {
    package init(json: JSONTree) throws(JSONTree.Malformed) {
        guard let id = BuildID(try json.member("buildID").text), let digest = Digest(try json.member("digest").text)
        else { throw JSONTree.Malformed() }
        self.init(
            buildID: id, digest: digest, bytes: try json.member("bytes").integer,
            storedBytes: try json.member("storedBytes").integer)
    }
}
