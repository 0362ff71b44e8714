internal import FoundationEssentials
internal import Glibc
internal import HeaderArchive
internal import KernelHeaders

/// What a client shows a server to be let in: the secret that `kheaderd token create` printed.
///
/// It comes from a file or from the environment, never from an argument, which every user of a host can read in the list
/// of processes. What describes a token does not tell its secret: it can't get into a message or a log by accident.
public struct AccessToken: Sendable, Equatable {
    /// The variable that names a file with the token.
    public static let fileVariable = "KHEADER_TOKEN_FILE"
    /// The variable that is the token itself; ``fileVariable`` comes first.
    public static let variable = "KHEADER_TOKEN"
    /// The most bytes of a file taken; those of a server's tokens have less than a hundred.
    static let maximumBytes = 4096

    /// As it is sent.
    let secret: String

    /// - Parameters:
    ///   - text: blanks and line ends around it do not count.
    ///   - place: where it is from, for the message.
    /// - Throws: `Problem` with `parameter-malformed` for what can't stand in a header field.
    init(_ text: String, from place: String) throws {
        let bytes = Array(text.utf8.drop(while: Self.isBlank).reversed().drop(while: Self.isBlank).reversed())
        guard !bytes.isEmpty, bytes.count <= Self.maximumBytes, bytes.allSatisfy(Self.mayStand) else {
            throw Problem(
                .parameterMalformed,
                "\(place) has no token. It is one word, as 'kheaderd token create' prints it.")
        }
        secret = String(decoding: bytes, as: UTF8.self)
    }

    /// The token of this process, if it has one.
    ///
    /// - Parameters:
    ///   - file: what the command line names; without it the variables count, and an empty one is none.
    ///   - environment: a variable's value; that of this process unless given.
    ///   - notice: is told in a sentence if others can read the file.
    /// - Throws: `Problem` with `parameter-malformed` if a named file can't be read, or what is there is no token.
    public static func find(
        file: String?, environment: (_ name: String) -> String? = Self.variable(named:),
        notice: (String) -> Void
    ) throws -> AccessToken? {
        func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
        if let file = file ?? value(fileVariable) { return try read(file, notice: notice) }
        return try value(variable).map { try AccessToken($0, from: "The variable \(variable)") }
    }

    /// A variable's value in this process's environment.
    public static func variable(named name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static func read(_ path: String, notice: (String) -> Void) throws -> AccessToken {
        // A FIFO or a shell's <(…) is a file as well.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw Problem(.parameterMalformed, "The token file \(path) can't be read: \(reason).")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        do {
            let source = FileSource(borrowing: descriptor)
            try withUnsafeTemporaryAllocation(byteCount: maximumBytes + 1, alignment: 1) { buffer in
                while bytes.count <= maximumBytes, case let count = try source.read(into: buffer), count > 0 {
                    bytes.append(contentsOf: buffer[..<count])
                }
            }
        } catch {
            throw Problem(.parameterMalformed, "The token file \(path) can't be read: \(error).")
        }
        let token = try AccessToken(String(decoding: bytes, as: UTF8.self), from: "The token file \(path)")
        if status.st_mode & S_IFMT == S_IFREG, status.st_mode & mode_t(S_IROTH) != 0 {
            notice("Every user of this host can read the token in \(path). Do: chmod o-r \(path)")
        }
        return token
    }

    private static func isBlank(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

    /// RFC 6750, section 2.1 (`b64token`); a line end or a blank would begin another field.
    private static func mayStand(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~+/=".utf8.contains(byte)
        }
    }
}

extension AccessToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "a token" }
    public var debugDescription: String { description }
    /// `dump` and string interpolation of what holds a token go by its members.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
