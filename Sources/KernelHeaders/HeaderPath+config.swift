extension HeaderPath {
    /// Whether a file here says by being there, and empty, that an option of the kernel is set (`include/config/SMP`).
    package var marksAnOption: Bool { string.hasPrefix("include/config/") }
}
