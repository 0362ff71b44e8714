import FoundationEssentials
import KHeaderTestSupport
import Testing

/// Real packages of the distribution: the folder that `make test-deps` fills.
enum RealPackages {
    static let folder = ProcessInfo.processInfo.environment["KHEADERD_PACKAGES"]

    /// Imports a kernel: its image, its headers, and those that all flavours share.
    ///
    /// - Returns: its build ID.
    static func importKernel(to server: RunningServer) async throws -> String {
        let script = """
            set -eu; cd "$1"
            image=$(ls linux-image-*.deb | grep -v cloud | head -n 1)
            release=${image#linux-image-}; release=${release%%_*}
            common=$(ls linux-headers-*-common_*.deb | head -n 1)
            exec "$2" import --server "$3" "$image" "linux-headers-${release}_"*.deb "$common"
            """
        let imported = try await run(
            shell: script, #require(folder), BuiltProgram.path("kheader"), server.url)
        try #require(imported.status == 0, "\(imported.errors)")
        return String(try #require(imported.text.split(separator: " ").first))
    }
}
