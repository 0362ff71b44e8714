internal import Glibc
internal import HeaderArchive

/// Whether a process computes, or one that it has started.
enum ProcessActivity {
    /// The most processes that are looked at.
    private static let limit = 64

    /// As `/proc/PID/task/TID/stat` says: running, or waiting for a core (R) or a disk (D). Others sleep until something
    /// happens.
    static func isBusy(_ process: pid_t) -> Bool {
        var waiting = [process]
        var seen = 0
        while let next = waiting.popLast(), seen < limit {
            seen += 1
            for thread in (try? FolderListing.names(in: "/proc/\(next)/task")) ?? [] {
                let folder = "/proc/\(next)/task/\(thread)"
                // The name before the state is in brackets, and may have some itself.
                let text = SmallFile.text("\(folder)/stat") ?? ""
                if let end = text.lastIndex(of: ")"), ["R", "D"].contains(text[end...].dropFirst(2).first) {
                    return true
                }
                // Not in every kernel (CONFIG_PROC_CHILDREN).
                waiting += (SmallFile.text("\(folder)/children") ?? "").split(separator: " ").compactMap { pid_t($0) }
            }
        }
        return false
    }
}
