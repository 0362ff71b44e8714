/// One entry of a tar as its headers have it: nothing in it is trusted or normalised yet.
public struct TarEntry: Sendable, Equatable {
    /// What the type flag says (POSIX.1-2017 pax, "ustar Interchange Format").
    public enum Kind: Sendable, Equatable {
        case file, hardLink, symbolicLink, characterDevice, blockDevice, directory, fifo
        /// Any other flag: sparse files, volume labels, multi-volume parts.
        case other(UInt8)
    }

    /// The name's bytes.
    public var name: [UInt8]
    public var kind: Kind
    /// Bytes of contents that follow; 0 for all but files.
    public var size: Int
    /// Permission bits.
    public var mode: Int
    /// The bytes of a link's target.
    public var linkTarget: [UInt8]
}
