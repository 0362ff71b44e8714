public import HeaderArchive

extension UploadFile {
    /// The bytes from the first to the last; several may read at a time.
    public func source() -> any ByteSource { Reading(file: self) }

    private final class Reading: ByteSource {
        private let file: UploadFile
        private var position = 0

        init(file: UploadFile) { self.file = file }

        func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            let count = try file.read(at: position, into: buffer)
            position += count
            return count
        }
    }
}
