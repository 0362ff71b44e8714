import Glibc
import KHeaderTestSupport
import Testing

/// What is in a folder, as `find` sees it: for comparing what several tools have unpacked.
enum FolderComparison {
    /// Kind, permissions, link target and path of everything but the folder itself.
    static func listing(_ folder: String) throws -> String {
        let lines = try ShellCommand("find", folder, "-mindepth", "1", "-printf", "%y %m %l %P\\n").output()
        return String(decoding: lines, as: UTF8.self).split(separator: "\n").sorted().joined(separator: "\n")
    }

    /// Expects two folders to hold the same, byte for byte.
    static func expectSame(_ one: String, _ other: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let difference = try ShellCommand("diff", "-r", "--no-dereference", one, other).run()
        #expect(difference.status == 0, "\(difference.text.prefix(500))", sourceLocation: sourceLocation)
        #expect(try listing(one) == listing(other), sourceLocation: sourceLocation)
    }

    /// What an unpacked tree must not have: links that lead out of `folder`, and anything but files, links and folders.
    static func strays(in folder: String, names: (String) -> [String]) -> [String] {
        var strays: [String] = []
        var pending = ["."]
        while let current = pending.popLast() {
            for name in names(current) {
                let path = "\(current)/\(name)"
                var status = stat()
                lstat("\(folder)/\(path)", &status)
                switch status.st_mode & S_IFMT {
                case S_IFDIR: pending.append(path)
                case S_IFREG: if status.st_nlink > 2 { strays.append(path) }
                case S_IFLNK:
                    guard let real = realpath("\(folder)/\(path)", nil) else { continue }
                    if !String(cString: real).utf8.starts(with: "\(folder)/".utf8) { strays.append(path) }
                    free(real)
                default: strays.append(path)
                }
            }
        }
        return strays
    }
}
