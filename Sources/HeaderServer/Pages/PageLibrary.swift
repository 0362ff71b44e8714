import Mustache

/// The templates, parsed once.
enum PageLibrary {
    private static let library: MustacheLibrary = {
        MustacheContentTypes.register(PageEscaping(), named: PageEscaping.name)
        let views: [any PageView.Type] = [
            PageLayout.self, FleetView.self, KernelView.self, CoverageView.self, ProblemView.self,
        ]
        var library = MustacheLibrary()
        for view in views {
            do {
                // swift-mustache begins each template with its own escaping.
                let text = "{{% CONTENT_TYPE:\(PageEscaping.name)}}" + view.template
                try library.register(text, named: "\(view)")
            } catch {
                preconditionFailure("the template of \(view): \(error)")
            }
        }
        return library
    }()

    /// The page as HTML.
    static func html(_ view: some PageView) -> String {
        guard let html = library.render(view, withTemplate: "\(type(of: view))") else {
            preconditionFailure("\(type(of: view)) has no template")
        }
        return html
    }
}
