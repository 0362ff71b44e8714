import Testing

@testable import HeaderServer

@Suite struct AcceptedMediaTypesTests {
    @Test(arguments: [
        (nil, false), ("", false), ("*/*", false), ("text/*", false), ("text/html", true), ("TEXT/HTML ; q=0.1", true),
        ("text/html;q=0", false), ("text/html,application/xhtml+xml,*/*;q=0.8", true), ("application/json", false),
        ("text/html;q=0.5, application/json", false), ("text/html, application/json;q=0.9", true),
        ("text/html;q=0.5,application/problem+json;q=0.6", false), (",;,", false), ("text/html;q=x", false),
    ])
    func whoPrefersPages(field: String?, expected: Bool) {
        #expect(AcceptedMediaTypes(field).preferHTML == expected)
    }
}
