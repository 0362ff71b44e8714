extension TreeManifest {
    /// The file at a path, through links in its last component. (In a tree, no path leads through a link to a folder.)
    package func indexOfFile(at path: HeaderPath) -> Int? {
        var path = path
        // As deep as the kernel follows links (MAXSYMLINKS).
        for _ in 0..<40 {
            guard let index = index(of: path) else { return nil }
            guard case .link(let target) = entries[index].kind else { return index }
            var components = path.components.dropLast()
            for part in target.utf8.split(separator: UInt8(ascii: "/")) {
                if part.elementsEqual("..".utf8) {
                    if components.popLast() == nil { return nil }
                } else if !part.elementsEqual(".".utf8) {
                    components.append(String(Substring(part)))
                }
            }
            guard let next = HeaderPath(components.joined(separator: "/")) else { return nil }
            path = next
        }
        return nil
    }
}
