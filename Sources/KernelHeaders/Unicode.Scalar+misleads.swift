extension Unicode.Scalar {
    /// Whether it turns, hides or breaks the text around it where it is shown: controls, bidirectional formatting, zero-width
    /// characters.
    public var misleads: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: true
        default: false
        }
    }
}
