/// A number of bytes for people: `7.1 MB`, in powers of 1000.
public enum ByteSize {
    private static let units = ["kB", "MB", "GB", "TB", "PB", "EB"]

    /// - Parameter bytes: not negative; below 1000 it is given exactly.
    public static func text(_ bytes: Int) -> String {
        guard bytes >= 1000 else { return "\(bytes) B" }
        var tenths = bytes / 100
        var unit = 0
        while tenths >= 10_000, unit < units.count - 1 {
            tenths /= 1000
            unit += 1
        }
        let number = tenths < 1000 ? "\(tenths / 10).\(tenths % 10)" : "\(tenths / 10)"
        return "\(number) \(units[unit])"
    }
}
