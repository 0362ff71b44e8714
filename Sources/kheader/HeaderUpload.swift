internal import ArgumentParser
internal import HeaderTransport
internal import KernelHeaders

/// The forms in which an upload is reported on standard output.
enum ReceiptFormat: String, ExpressibleByArgument, CaseIterable {
    /// `BUILDID TREEDIGEST created`, or `known` if the server had that tree already; of BTF `BUILDID btf DIGEST created`.
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
            try Console.put("\(receipt.buildID) \(receipt.treeDigest) \(isNew ? "created" : "known")")
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
        case .text: try Console.put("\(id) btf \(receipt.digest) \(isNew ? "created" : "known")")
        case .json: try Console.put(JSONText.text(receipt, isPretty: false))
        }
        let kernel = identity.release.map { "\($0) (\(id))" } ?? "\(id)"
        let stored =
            isNew ? "took the BTF, \(ByteSize.text(receipt.bytes)), stored as" : "has this BTF already, stored as"
        Console.say("\(kernel): the server \(stored) \(ByteSize.text(receipt.storedBytes)).")
    }

    static func report(_ receipt: IngestReceipt, isNew: Bool, release: String?, sent: Int) -> String {
        let kernel = release.map { "\($0) (\(receipt.buildID))" } ?? "\(receipt.buildID)"
        let contents = "\(receipt.files) files, \(ByteSize.text(receipt.bytes))"
        guard isNew else { return "\(kernel): the server has this tree already, \(contents)." }
        return """
            \(kernel): the server took the tree, \(contents), as \(ByteSize.text(sent)).
              tree         \(receipt.treeDigest)
              new to it    \(receipt.newBlobs) files, \(ByteSize.text(receipt.newBytes))
              stored       \(ByteSize.text(receipt.storedBytes))
            """
    }
}
