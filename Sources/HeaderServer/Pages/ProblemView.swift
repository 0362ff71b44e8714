import KernelHeaders

/// A refusal, for a person with a browser; programs get the same as a problem document.
struct ProblemView: PageView {
    let status: Int
    let name: String
    let detail: String
    let code: String
    let requestID: String
    /// Whether the person lacks a token.
    let wantsToken: Bool

    init(_ problem: Problem) {
        status = problem.status
        name = problem.title
        detail = problem.detail
        code = problem.code.rawValue
        requestID = problem.requestID ?? ""
        wantsToken = problem.status == 401
    }

    static let template = """
        {{<PageLayout}}
        {{$title}}{{name}}{{/title}}
        {{$main}}
        <div class="problem card">
        <p class="status" aria-hidden="true">{{status}}</p>
        <h1>{{name}}</h1>
        <p class="lead">{{detail}}</p>
        {{#wantsToken}}<p>Reload the page, and give a client's or an operator's token as the password. The user name does not
        matter.</p>{{/wantsToken}}
        <dl class="facts">
        <div><dt>Status</dt><dd>{{status}}</dd></div>
        <div><dt>Code</dt><dd><code>{{code}}</code></dd></div>
        <div><dt>Request</dt><dd><code>{{requestID}}</code></dd></div>
        </dl>
        <p><a href="/">All kernels</a></p>
        </div>
        {{/main}}
        {{/PageLayout}}
        """
}
