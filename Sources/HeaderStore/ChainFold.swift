/// How a chain of what is compressed with what is older stays short.
///
/// What is new leans on the newest link, unless its chain is as deep as one may be, or reading it would be too much. Then the
/// chain is made shorter: the new one takes the place of the last links, of as few as have together at most the bytes of the
/// one before them. So what lies deep stands for many changes, nothing is compressed with far older contents often, and the
/// chain of a file that changed a thousand times is as short as that of one that changed ten times.
enum ChainFold {
    /// What is known of a link.
    struct Link<Place> {
        /// On how many it leans, one after the other.
        let depth: Int
        let compressedLength: Int
        /// The one that it leans on, as far as something else may lean on that instead.
        let base: Place?
    }

    /// - Parameters:
    ///   - maximumDepth: the deepest that something may lie.
    ///   - link: what there is at a place; nil if it can't be read.
    ///   - base: what to lean on there; nil if reading it would be too much.
    /// - Returns: what to lean on; nil for nothing.
    static func base<Place, Base>(
        from tip: Place, maximumDepth: Int, link: (Place) throws -> Link<Place>?, base: (Place) throws -> Base?
    ) rethrows -> Base? {
        var skipped = 0
        var next: Place? = tip
        while let place = next {
            guard let link = try link(place) else { return nil }
            next = link.base
            if link.depth < maximumDepth, next == nil || link.compressedLength >= skipped, let base = try base(place) {
                return base
            }
            skipped += link.compressedLength
        }
        return nil
    }
}
