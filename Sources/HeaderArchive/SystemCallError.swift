internal import Glibc

/// A system call that failed: which, on what, and why.
public struct SystemCallError: Error, CustomStringConvertible, Equatable {
    public let call: String
    public let path: String?
    /// The value of `errno`.
    public let number: CInt

    public init(call: String, path: String?, number: CInt) {
        self.call = call
        self.path = path
        self.number = number
    }

    /// Whether the disk, or the user's share of it, is full.
    public var isDiskFull: Bool { number == ENOSPC || number == EDQUOT }

    public var description: String {
        "\(call)\(path.map { " \($0)" } ?? ""): \(String(cString: strerror(number)))"
    }

    /// Runs a call that answers -1 on failure, again while a signal interrupts it.
    ///
    /// - Throws: ``SystemCallError`` with `errno`.
    @discardableResult
    package static func check(_ call: String, _ path: String?, _ body: () throws -> CInt) throws -> CInt {
        CInt(try check(call, path) { Int(try body()) })
    }

    /// The same for calls that answer a number of bytes, or a place.
    @discardableResult
    package static func check(_ call: String, _ path: String?, _ body: () throws -> Int) throws -> Int {
        while true {
            let value = try body()
            if value >= 0 { return value }
            let number = errno
            if number != EINTR { throw SystemCallError(call: call, path: path, number: number) }
        }
    }
}
