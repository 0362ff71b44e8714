internal import HeaderArchive
internal import KernelHeaders

/// How bundles are made. The same recipe makes the same bytes of the same tree, on any server and at any time.
enum BundleRecipe {
    /// Names everything that the bytes depend on: the tar's layout, the level, the library.
    static func name(_ format: BundleFormat) -> String {
        switch format {
        case .tar: "tar-1"
        case .tarZstd: "tar-1 zstd-\(zstdLevel) \(ZstdSink.libraryVersion)"
        case .tarGzip: "tar-1 gzip-\(gzipLevel) \(GzipSink.libraryVersion)"
        case .tarXZ: "tar-1 xz-\(xzPreset) \(XZSink.libraryVersion)"
        }
    }

    static func compressor(_ format: BundleFormat, over sink: any ByteSink) throws -> any ByteSink {
        switch format {
        case .tar: sink
        case .tarZstd: try ZstdSink(sink, level: zstdLevel)
        case .tarGzip: try GzipSink(sink, level: gzipLevel)
        case .tarXZ: try XZSink(sink, preset: xzPreset)
        }
    }

    private static let zstdLevel = 3
    private static let gzipLevel = 6
    /// Preset 6, the kernel's own, takes ten times as long for a sixth less; somebody waits for this.
    private static let xzPreset = 1
}
