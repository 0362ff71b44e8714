/// What one kind of page shows: texts that are ready to be read, and the template they go into.
///
/// Members are found by their names, inner ones before outer ones. So a member of a row must not be nil where the page has
/// one of the same name.
protocol PageView: Sendable {
    /// Mustache; a page is written as parts of ``PageLayout``.
    static var template: String { get }
}
