internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders

/// The forms in which an upload is reported on standard output.
enum ReceiptFormat: String, ExpressibleByArgument, CaseIterable {
    /// `BUILDID TREEDIGEST created`, or `known` if the server had that tree already, or `healed` if damage of its disk had taken
    /// something of that; of BTF `BUILDID btf DIGEST created`.
    case text
    /// The server's receipt, a line each.
    case json
}

/// Sends headers to a server, and reports what it made of them.
struct HeaderUpload {
    let client: HeaderServerClient
    let source: HeaderSource
    let format: ReceiptFormat

    func send(_ file: UploadFile, as identity: KernelIdentity) async throws {
        let (receipt, isNew) = try await ProgressBar.show("Sending \(identity.release ?? "\(identity.buildID)")") {
            bar in
            try await client.push(file, as: identity, source: source) { bar.update($0, of: $1) }
        }
        switch format {
        case .text:
            try Console.put("\(receipt.buildID) \(receipt.treeDigest) \(Self.outcome(isNew, receipt.storedBytes))")
        case .json: try Console.put(JSONText.text(receipt, isPretty: false))
        }
        Console.say(Self.report(receipt, isNew: isNew, release: identity.release, sent: file.size))
    }

    func send(btf file: UploadFile, of identity: KernelIdentity) async throws {
        let id = identity.buildID
        let (receipt, isNew) = try await ProgressBar.show("Sending BTF") { bar in
            try await client.pushBTF(file, of: id) { bar.update($0, of: $1) }
        }
        switch format {
        case .text: try Console.put("\(id) btf \(receipt.digest) \(Self.outcome(isNew, receipt.storedBytes))")
        case .json: try Console.put(JSONText.text(receipt, isPretty: false))
        }
        let kernel = identity.release.map { "\($0) (\(id))" } ?? "\(id)"
        let words =
            switch Self.outcome(isNew, receipt.storedBytes) {
            case .created:
                "took the BTF, \(ByteSize.text(receipt.bytes)), stored as \(ByteSize.text(receipt.storedBytes))"
            case .known: "has this BTF already"
            case .healed: "had this BTF, damaged, and has it whole again"
            }
        Console.say("\(kernel): the server \(words).")
    }

    /// What became of an upload.
    private enum Outcome: String { case created, known, healed }

    /// - Parameter stored: what the server wrote. Of what it has already, that is what damage had taken.
    private static func outcome(_ isNew: Bool, _ stored: Int) -> Outcome {
        isNew ? .created : stored > 0 ? .healed : .known
    }

    static func report(_ receipt: IngestReceipt, isNew: Bool, release: String?, sent: Int) -> String {
        let kernel = release.map { "\($0) (\(receipt.buildID))" } ?? "\(receipt.buildID)"
        let contents = "\(receipt.files) files, \(ByteSize.text(receipt.bytes))"
        switch outcome(isNew, receipt.storedBytes) {
        case .known: return "\(kernel): the server has this tree already, \(contents)."
        case .healed:
            let lost =
                receipt.newBlobs == 0
                ? "the list of its files"
                : "the contents of " + (receipt.newBlobs == 1 ? "1 file" : "\(receipt.newBlobs) files")
            return "\(kernel): the server has this tree, \(contents). Damage had taken \(lost), which it has again."
        case .created: break
        }
        return """
            \(kernel): the server took the tree, \(contents), sent as \(ByteSize.text(sent)).
              tree         \(receipt.treeDigest)
              new to it    \(receipt.newBlobs) files, \(ByteSize.text(receipt.newBytes))
              stored       \(ByteSize.text(receipt.storedBytes))
            """
    }
}
