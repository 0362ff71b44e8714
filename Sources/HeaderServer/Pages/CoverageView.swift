internal import OperatorDocuments

/// Which kernels run, and what of them is missing, and why.
struct CoverageView: PageView {
    struct Bar: Sendable {
        let id: String
        let name: String
        /// The list of the kernels that lack it, where they are not among the gaps.
        let missing: String?
        let bar: CoverageBar
    }

    struct Gap: Sendable {
        let path: String
        let release: String
        let shortID: String
        let architecture: String
        let hosts: String
        let lacks: [Badge]
        let loss: String?
        let reasons: [Reason]
    }

    struct Reason: Sendable {
        let found: String
        let hosts: String
    }

    /// One release with several build IDs.
    struct Ambiguity: Sendable {
        struct Kernel: Sendable {
            let path: String
            let shortID: String
            let version: String
            let hosts: String
            let headers: Badge
        }

        let release: String
        let kernels: [Kernel]
    }

    /// One build ID with several trees.
    struct Split: Sendable {
        struct Side: Sendable {
            let tree: String
            let sentence: String
            let hosts: [String]
            let rest: String?
        }

        let path: String
        let release: String
        let shortID: String
        let sides: [Side]
    }

    let isCoverage = true
    let isEmpty: Bool
    let lead: String
    let bars: [Bar]
    let hasGaps: Bool
    let gaps: [Gap]
    let moreGaps: String?
    let ambiguities: [Ambiguity]
    let moreAmbiguities: String?
    let splits: [Split]
    let moreSplits: String?
    let foot: String

    static let template = """
        {{<PageLayout}}
        {{$title}}Coverage{{/title}}
        {{$main}}
        <h1>Coverage</h1>
        <p class="lead">{{lead}}</p>
        {{^isEmpty}}
        <div class="columns">
        {{#bars}}
        <section class="card" aria-labelledby="{{id}}">
        <h2 id="{{id}}">{{name}}</h2>
        {{#bar}}\(CoverageBar.template){{/bar}}
        {{#missing}}<p><a href="{{missing}}">Kernels without</a></p>{{/missing}}
        </section>
        {{/bars}}
        </div>
        <section class="card" aria-labelledby="gaps">
        <h2 id="gaps">Kernels that lack something</h2>
        {{#hasGaps}}
        <div class="scroll" role="region" aria-label="Table of gaps" tabindex="0">
        <table role="table"><thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Kernel</th><th scope="col" role="columnheader" class="number">Hosts</th><th scope="col" role="columnheader">Lacks</th>
        <th scope="col" role="columnheader">Why, and what agents found</th></tr></thead>
        <tbody role="rowgroup">
        {{#gaps}}
        <tr role="row"><th scope="row" role="rowheader"><a href="{{path}}"><bdi>{{release}}</bdi></a>
        <span class="sub"><code>{{shortID}}</code> <bdi>{{architecture}}</bdi></span></th>
        <td role="cell" class="number" data-label="Hosts">{{hosts}}</td>
        <td role="cell" data-label="Lacks">{{#lacks}}<span class="badge {{tone}}">{{text}}</span> {{/lacks}}</td>
        <td role="cell" class="reasons" data-label="Why">{{#loss}}<p>{{loss}}</p>{{/loss}}{{#reasons}}<p>{{found}} <span class="quiet">({{hosts}})</span></p>{{/reasons}}</td></tr>
        {{/gaps}}
        </tbody></table>
        </div>
        {{#moreGaps}}<p class="quiet">{{moreGaps}}: <a href="/?running=true&amp;headers=false&amp;sort=hosts">without headers</a>, <a href="/?running=true&amp;btf=false&amp;sort=hosts">without BTF</a>, <a href="/?running=true&amp;damaged=true&amp;sort=hosts">damaged</a></p>{{/moreGaps}}
        {{/hasGaps}}
        {{^hasGaps}}<p class="quiet">None: all that hosts run is here.</p>{{/hasGaps}}
        </section>
        <div class="columns">
        <section class="card" aria-labelledby="ambiguities">
        <h2 id="ambiguities">One release, several build IDs</h2>
        {{#ambiguities}}
        <h3><bdi>{{release}}</bdi></h3>
        <ul>{{#kernels}}<li><a href="{{path}}"><code>{{shortID}}</code></a> {{hosts}}, \
        <span class="badge {{headers.tone}}">{{headers.text}}</span> <bdi class="quiet">{{version}}</bdi></li>{{/kernels}}</ul>
        {{/ambiguities}}
        {{#moreAmbiguities}}<p class="quiet">{{moreAmbiguities}}</p>{{/moreAmbiguities}}
        {{^ambiguities}}<p class="quiet">None: every release is one kernel.</p>{{/ambiguities}}
        </section>
        <section class="card" aria-labelledby="splits">
        <h2 id="splits">One build ID, several trees</h2>
        {{#splits}}
        <h3><a href="{{path}}"><bdi>{{release}}</bdi></a> <code>{{shortID}}</code></h3>
        {{#sides}}
        <p><code>{{tree}}</code><br>{{sentence}}</p>
        <ul>{{#hosts}}<li><code>{{.}}</code></li>{{/hosts}}</ul>
        {{#rest}}<p class="quiet">{{rest}}</p>{{/rest}}
        {{/sides}}
        {{/splits}}
        {{#moreSplits}}<p class="quiet">{{moreSplits}}</p>{{/moreSplits}}
        {{^splits}}<p class="quiet">None: all hosts with one kernel have the same headers.</p>{{/splits}}
        </section>
        </div>
        {{/isEmpty}}
        {{/main}}
        {{$foot}}{{foot}}{{/foot}}
        {{/PageLayout}}
        """
}
