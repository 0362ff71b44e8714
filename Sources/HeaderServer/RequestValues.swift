import HTTPTypes
import Hummingbird
import KernelHeaders

/// What requests carry in their path and query, checked. Each refusal is a `Problem` with a 400 code.
extension RequestContext {
    func buildID() throws -> BuildID {
        try BuildID(checking: try parameters.require("buildID"))
    }

    func treeDigest() throws -> Digest {
        guard let digest = Digest(try parameters.require("treeDigest")) else {
            throw Problem(
                .digestMalformed, "A tree digest has 64 lower-case hexadecimal digits. The kernel list has them.")
        }
        return digest
    }

    /// A SHA-256 in the path.
    ///
    /// - Parameter what: what it is, for the message.
    func digest(_ name: String, _ what: String) throws -> Digest {
        guard let digest = Digest(try parameters.require(name)) else {
            throw Problem(
                .digestMalformed, "\(what) has 64 lower-case hexadecimal digits. GET /v1/toolchains lists some.")
        }
        return digest
    }

    /// A name in the path, percent-decoded.
    func decoded(_ name: String) throws -> String {
        let text = try parameters.require(name)
        return APIPath.percentDecoded(text).map { String(decoding: $0, as: UTF8.self) } ?? text
    }

    /// The path of a header: what follows `source/`, percent-decoded. debuginfod's clients send absolute paths as compilers
    /// write them, and its server resolves them as text (elfutils' `canon_pathname`): so leading and doubled slashes and
    /// dot segments go away here too, and `..` does not lead above the tree.
    func headerPath() throws -> HeaderPath {
        try HeaderPath(requested: parameters.getCatchAll().joined(separator: "/"))
    }
}

extension HeaderPath {
    /// - Parameter text: what follows `source/`, percent-encoded, as ``RequestContext/headerPath()`` has it.
    /// - Throws: `Problem` with `path-malformed`.
    init(requested text: String) throws {
        var parts: [ArraySlice<UInt8>] = []
        let decoded = APIPath.percentDecoded(text)
        for part in decoded?.split(separator: UInt8(ascii: "/")) ?? [] where !part.elementsEqual(".".utf8) {
            if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        guard decoded != nil, let path = try? HeaderPath(normalising: Array(parts.joined(separator: "/".utf8))) else {
            throw Problem(.pathMalformed, "This is not a path in a header tree. They look like include/linux/sched.h")
        }
        self = path
    }
}

extension BuildID {
    /// - Throws: `Problem` with `build-id-malformed`.
    init(checking text: String) throws {
        guard let id = BuildID(text) else {
            throw Problem(
                .buildIDMalformed,
                "This is not a GNU build ID: 2 to \(2 * BuildID.maximumLength) lower-case hexadecimal digits, an even number of them. "
                    + "See it with: kheader kernels list, or readelf -n vmlinux")
        }
        self = id
    }
}

extension String {
    /// Whether it has no control characters, and at most so many bytes.
    func isLabel(maximumLength: Int) -> Bool {
        utf8.count <= maximumLength && !unicodeScalars.contains(where: Self.isControl)
    }

    /// With spaces in the place of control characters.
    var withoutControlCharacters: String {
        guard unicodeScalars.contains(where: Self.isControl) else { return self }
        var text = ""
        for scalar in unicodeScalars { text.unicodeScalars.append(Self.isControl(scalar) ? " " : scalar) }
        return text
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
    }
}

extension Request {
    /// Whether a person with a browser asks.
    var preferHTML: Bool { headers[.accept].map { AcceptedMediaTypes($0).preferHTML } ?? false }

    /// A query item's text, or nil; the first one counts if it comes twice.
    func query(_ name: String) -> String? {
        uri.queryParameters[name[...]].map(String.init)
    }

    /// A query item that is a short label: no control characters, at most ``KernelIdentity/maximumLabelLength`` bytes.
    func label(_ name: String) throws -> String? {
        guard let text = query(name), !text.isEmpty else { return nil }
        guard text.isLabel(maximumLength: KernelIdentity.maximumLabelLength) else {
            throw Problem(
                .parameterMalformed,
                "\(name) is over \(KernelIdentity.maximumLabelLength) bytes, or has control characters. It is as uname prints it."
            )
        }
        return text
    }

    func boolean(_ name: String) throws -> Bool? {
        switch query(name) {
        case nil, "": nil
        case "true": true
        case "false": false
        default: throw Problem(.parameterMalformed, "\(name) is true or false.")
        }
    }

    func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int) throws -> Int {
        guard let text = query(name), !text.isEmpty else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            throw Problem(.parameterMalformed, "\(name) is a number from \(range.lowerBound) to \(range.upperBound).")
        }
        return value
    }
}
