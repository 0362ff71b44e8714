import FoundationEssentials
import HeaderArchive
import HeaderTransport
import KHeaderTestSupport
import KernelHeaders

/// A kernel of the fleet, with the files that its hosts have.
struct FleetKernel: Sendable {
    let identity: KernelIdentity
    let headers: UploadFile
    /// The same tree in other bytes, as a host has it whose archive somebody has made anew.
    let otherHeaders: UploadFile
    let btf: UploadFile

    init(_ number: Int, _ folder: TemporaryFolder) throws {
        let kernel = SmallKernel(release: "6.\(number).0-fleet")
        guard let id = BuildID(bytes: Array(SHA256Hash.digest(of: Array("kernel \(number)".utf8)).bytes.prefix(20)))
        else { preconditionFailure("20 bytes are a build ID") }
        identity = KernelIdentity(
            buildID: id,
            release: kernel.release, versionLine: "#1 SMP", architecture: Architecture(machine: "x86_64"), hasBTF: true)
        let tree = folder.path("tree-\(number)")
        try kernel.write(to: tree)
        func pack(_ name: String, _ level: String) throws -> UploadFile {
            let path = folder.path("\(name)-\(number).tar.xz")
            try ShellCommand("sh", "-c", "tar -C \(tree) --sort=name -cf - . | xz \(level) -c > \(path)").output()
            return try UploadFile(path: path, cancellation: Cancellation())
        }
        headers = try pack("headers", "-1")
        otherHeaders = try pack("other", "-2 --check=sha256")
        btf = try UploadFile(
            bytes: SmallBTF.bytes(["kernel\(number)"]), name: "btf", cancellation: Cancellation())
    }
}
