/// The fleet's kernels, with what an operator looks at first around them.
struct FleetView: PageView {
    struct Tile: Sendable {
        let name: String
        let value: String
        let note: String
        /// A class of the style: empty, `poor` for what needs somebody.
        let tone: String
    }

    struct Choice: Sendable {
        let value: String
        let name: String
        let isChosen: Bool
    }

    /// A field of the form: a menu if it has choices, else text.
    struct Field: Sendable {
        let parameter: String
        let label: String
        let value: String
        let hint: String
        let isMenu: Bool
        let choices: [Choice]
    }

    struct Row: Sendable {
        let path: String
        let release: String
        let shortID: String
        let architecture: String
        let hosts: String
        let headers: Badge
        let btf: Badge
        let smoke: Badge
        let marks: [Badge]
        let seen: String
        let seenAt: String
    }

    struct Conflict: Sendable {
        let path: String
        let release: String
        let shortID: String
        let sentence: String
    }

    let isFleet = true
    let tiles: [Tile]
    let coverage: CoverageBar?
    let firstFields: [Field]
    let otherFields: [Field]
    /// Whether one of the other fields is set.
    let isDetailed: Bool
    /// Whether the filter leaves anything out.
    let isFiltered: Bool
    let heading: String
    let rows: [Row]
    let isEmptyStore: Bool
    let hasRows: Bool
    let nextPath: String?
    let firstPath: String?
    let conflicts: [Conflict]
    let moreConflicts: String?
    let queue: [String]
    let foot: String

    private static let field = """
        {{^isMenu}}<p class="field grows"><label for="{{parameter}}">{{label}}</label>
        <input id="{{parameter}}" name="{{parameter}}" type="search" value="{{value}}" placeholder="{{hint}}" maxlength="256" \
        autocomplete="off" spellcheck="false"></p>{{/isMenu}}
        {{#isMenu}}<p class="field"><label for="{{parameter}}">{{label}}</label>
        <select id="{{parameter}}" name="{{parameter}}">{{#choices}}<option value="{{value}}"\
        {{#isChosen}} selected{{/isChosen}}>{{name}}</option>{{/choices}}</select></p>{{/isMenu}}
        """

    static let template = """
        {{<PageLayout}}
        {{$title}}Kernels{{/title}}
        {{$main}}
        <h1>Kernels of the fleet</h1>
        {{#isEmptyStore}}
        <section class="card empty" aria-labelledby="empty">
        <h2 id="empty">No kernel yet</h2>
        <p>No host has reported to this server, and nobody has uploaded headers. Begin with one of these:</p>
        <ul>
        <li>on a host, with the headers of the kernel that it runs: <code>kheader-agent run</code></li>
        <li>a distribution’s packages: <code>kheader import linux-*.deb</code></li>
        <li>an archive or a folder: <code>kheader push kheaders.tar.xz --build-id ID</code></li>
        </ul>
        </section>
        {{/isEmptyStore}}
        <ul class="tiles">
        {{#tiles}}<li class="card {{tone}}"><span class="name">{{name}}</span><span class="value">{{value}}</span>\
        <span class="note">{{note}}</span></li>
        {{/tiles}}
        </ul>
        {{#coverage}}
        <section class="card" aria-labelledby="covered">
        <h2 id="covered">Hosts whose kernel’s headers are here</h2>
        \(CoverageBar.template)
        <p><a href="/coverage">What is missing, and why</a></p>
        </section>
        {{/coverage}}
        {{^isEmptyStore}}
        <div class="columns">
        <section class="card" aria-labelledby="conflicts">
        <h2 id="conflicts">Conflicts</h2>
        {{#conflicts}}
        <p><a href="{{path}}"><bdi>{{release}}</bdi></a> <code>{{shortID}}</code><br>{{sentence}}</p>
        {{/conflicts}}
        {{^conflicts}}<p class="quiet">None: every kernel has one tree, whoever sent it.</p>{{/conflicts}}
        {{#moreConflicts}}<p><a href="/?conflict=true">{{moreConflicts}}</a></p>{{/moreConflicts}}
        </section>
        <section class="card" aria-labelledby="queue">
        <h2 id="queue">Build queue</h2>
        <ul class="plain">{{#queue}}<li>{{.}}</li>{{/queue}}</ul>
        </section>
        </div>
        <section class="card" aria-labelledby="kernels">
        <h2 id="kernels">{{heading}}</h2>
        <form class="filter" method="get" action="/" role="search" aria-label="Kernels">
        {{#firstFields}}\(field){{/firstFields}}
        <p class="field"><button type="submit">Search</button>{{#isFiltered}} <a href="/">Show all</a>{{/isFiltered}}</p>
        <details{{#isDetailed}} open{{/isDetailed}}><summary>More filters</summary>
        <div class="filter">{{#otherFields}}\(field){{/otherFields}}</div></details>
        </form>
        {{#hasRows}}
        <div class="scroll" role="region" aria-label="Table of kernels" tabindex="0">
        <table role="table">
        <thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Kernel</th><th scope="col" role="columnheader" class="number">Hosts</th><th scope="col" role="columnheader">Headers</th>
        <th scope="col" role="columnheader">BTF</th><th scope="col" role="columnheader">Compiles</th><th scope="col" role="columnheader">Last seen</th></tr></thead>
        <tbody role="rowgroup">
        {{#rows}}
        <tr role="row"><th scope="row" role="rowheader"><a href="{{path}}"><bdi>{{release}}</bdi></a>
        <span class="sub"><code>{{shortID}}</code> <bdi>{{architecture}}</bdi>{{#marks}} \
        <span class="badge {{tone}}">{{text}}</span>{{/marks}}</span></th>
        <td role="cell" class="number" data-label="Hosts">{{hosts}}</td>
        <td role="cell" data-label="Headers"><span class="badge {{headers.tone}}">{{headers.text}}</span></td>
        <td role="cell" data-label="BTF"><span class="badge {{btf.tone}}">{{btf.text}}</span></td>
        <td role="cell" data-label="Compiles"><span class="badge {{smoke.tone}}">{{smoke.text}}</span></td>
        <td role="cell" data-label="Last seen"><time datetime="{{seenAt}}">{{seen}}</time></td></tr>
        {{/rows}}
        </tbody>
        </table>
        </div>
        <nav class="pages" aria-label="More kernels">{{#firstPath}}<a href="{{firstPath}}">First page</a>{{/firstPath}}\
        {{#nextPath}}<a href="{{nextPath}}" rel="next">Next page</a>{{/nextPath}}</nav>
        {{/hasRows}}
        {{^hasRows}}<p>No kernel is like that. <a href="/">Show all</a></p>{{/hasRows}}
        </section>
        {{/isEmptyStore}}
        {{/main}}
        {{$foot}}{{foot}}{{/foot}}
        {{/PageLayout}}
        """
}
