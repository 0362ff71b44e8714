import KernelHeaders

/// Where pages are.
enum PagePath {
    static let coverage = "/coverage"

    static func kernel(_ id: BuildID) -> String { "/kernels/\(id)" }
}
