/// One kernel: what it is, what can be had of it, who runs it, and how sure this server is.
struct KernelView: PageView {
    struct Fact: Sendable {
        let name: String
        let text: String
        /// Whether it is a digest, a path or the like.
        let isCode: Bool
    }

    struct Artefact: Sendable {
        let name: String
        let path: String
        let note: String
    }

    struct Command: Sendable {
        let purpose: String
        let text: String
    }

    struct Host: Sendable {
        let id: String
        let agent: String
        let seen: String
        let seenAt: String
    }

    struct Reason: Sendable {
        let hosts: String
        let steps: [String]
    }

    /// A side of a conflict: the server's headers or BTF, or others.
    struct Conflict: Sendable {
        let heading: String
        let tree: String
        let sentence: String
        let hosts: [String]
        let rest: String?
    }

    /// What is lost of it.
    struct Damage: Sendable {
        let sentence: String
        /// Nil if no paths are known.
        let summary: String?
        let paths: [String]
        let more: String?
    }

    struct Other: Sendable {
        let id: String
        let release: String
    }

    /// What another kernel's tree has more, less and other.
    struct Difference: Sendable {
        struct Part: Sendable {
            let name: String
            let count: String
            let isOpen: Bool
            let paths: [String]
            let more: String?
        }

        let sentence: String
        let otherPath: String
        let otherName: String
        let parts: [Part]
    }

    let title: String
    let badges: [Badge]
    let lead: String?
    let damage: Damage?
    let identity: [Fact]
    let hasHeaders: Bool
    let artefacts: [Artefact]
    let commands: [Command]
    let hostsHeading: String
    let hosts: [Host]
    let hasHosts: Bool
    let allHostsPath: String?
    let reasons: [Reason]
    let trust: [Fact]
    let conflicts: [Conflict]
    let smoke: Badge?
    let smokeSentence: String
    let smokeText: String?
    let added: [Fact]
    let action: String
    let compared: String
    let others: [Other]
    let difference: Difference?
    let differenceProblem: String?
    let foot: String

    static let template = """
        {{<PageLayout}}
        {{$title}}{{title}}{{/title}}
        {{$main}}
        <p class="crumb"><a href="/">Kernels</a></p>
        <h1><bdi>{{title}}</bdi></h1>
        <p class="badges">{{#badges}}<span class="badge {{tone}}">{{text}}</span> {{/badges}}</p>
        {{#lead}}<p class="lead">{{lead}}</p>{{/lead}}
        {{#damage}}
        <p class="alert" role="alert">{{sentence}}</p>
        {{#summary}}<details><summary>{{summary}}</summary>
        <ul class="paths">{{#paths}}<li><code>{{.}}</code></li>{{/paths}}</ul>
        {{#more}}<p class="quiet">{{more}}</p>{{/more}}
        </details>{{/summary}}
        {{/damage}}
        <section class="card" aria-labelledby="identity">
        <h2 id="identity">Identity</h2>
        <dl class="facts">{{#identity}}<div><dt>{{name}}</dt><dd>{{#isCode}}<code>{{text}}</code>{{/isCode}}\
        {{^isCode}}<bdi>{{text}}</bdi>{{/isCode}}</dd></div>
        {{/identity}}</dl>
        </section>
        <div class="columns">
        <section class="card" aria-labelledby="artefacts">
        <h2 id="artefacts">Downloads</h2>
        {{#artefacts}}<p class="download"><a href="{{path}}">{{name}}</a> <span class="quiet">{{note}}</span></p>
        {{/artefacts}}
        {{^artefacts}}<p>There is nothing to download of this kernel.</p>{{/artefacts}}
        </section>
        <section class="card" aria-labelledby="commands">
        <h2 id="commands">How to use it</h2>
        {{#commands}}<p class="purpose">{{purpose}}</p>
        <pre><code>{{text}}</code></pre>
        {{/commands}}
        </section>
        </div>
        {{#hasHeaders}}
        <div class="columns">
        <section class="card" aria-labelledby="trust">
        <h2 id="trust">Trust</h2>
        <dl class="facts">{{#trust}}<div><dt>{{name}}</dt><dd>{{text}}</dd></div>{{/trust}}</dl>
        {{#conflicts}}
        <div class="conflict">
        <h3>{{heading}}</h3>
        <p><code>{{tree}}</code></p>
        <p>{{sentence}}</p>
        <ul>{{#hosts}}<li><code>{{.}}</code></li>{{/hosts}}</ul>
        {{#rest}}<p class="quiet">{{rest}}</p>{{/rest}}
        </div>
        {{/conflicts}}
        </section>
        <section class="card" aria-labelledby="smoke">
        <h2 id="smoke">Does a program compile with it?</h2>
        <p>{{#smoke}}<span class="badge {{tone}}">{{text}}</span>{{/smoke}} {{smokeSentence}}</p>
        {{#smokeText}}<pre class="words" tabindex="0" role="region" aria-label="What the compiler says"><code>{{smokeText}}</code></pre>{{/smokeText}}
        <h2>What it adds to the store</h2>
        <dl class="facts">{{#added}}<div><dt>{{name}}</dt><dd>{{text}}</dd></div>{{/added}}</dl>
        </section>
        </div>
        {{/hasHeaders}}
        <section class="card" aria-labelledby="hosts">
        <h2 id="hosts">{{hostsHeading}}</h2>
        {{#reasons}}<p>{{hosts}} found:</p>
        <ul>{{#steps}}<li>{{.}}</li>{{/steps}}</ul>{{/reasons}}
        {{#hasHosts}}
        <div class="scroll" role="region" aria-label="Table of hosts" tabindex="0">
        <table role="table"><thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Host</th><th scope="col" role="columnheader">Agent</th><th scope="col" role="columnheader">Last seen</th></tr></thead>
        <tbody role="rowgroup">
        {{#hosts}}<tr role="row"><th scope="row" role="rowheader"><code>{{id}}</code></th><td role="cell" data-label="Agent"><bdi>{{agent}}</bdi></td>
        <td role="cell" data-label="Last seen"><time datetime="{{seenAt}}">{{seen}}</time></td></tr>
        {{/hosts}}
        </tbody></table>
        </div>
        {{#allHostsPath}}<p><a href="{{allHostsPath}}">All of them, as JSON</a></p>{{/allHostsPath}}
        {{/hasHosts}}
        {{^hasHosts}}<p class="quiet">No host’s last report was of this kernel.</p>{{/hasHosts}}
        </section>
        {{#hasHeaders}}
        <section class="card" aria-labelledby="difference">
        <h2 id="difference">Compare with another kernel</h2>
        <form class="filter" method="get" action="{{action}}#difference">
        <p class="field grows"><label for="compare">Build ID of the other kernel</label>
        <input id="compare" name="compare" list="others" value="{{compared}}" required maxlength="128" autocomplete="off"
        spellcheck="false" placeholder="hexadecimal digits">
        <datalist id="others">{{#others}}<option value="{{id}}">{{release}}</option>{{/others}}</datalist></p>
        <p class="field"><button type="submit">Compare</button></p>
        </form>
        {{#differenceProblem}}<p class="alert" role="alert">{{differenceProblem}}</p>{{/differenceProblem}}
        {{#difference}}
        <p>From <bdi>{{title}}</bdi> to <a href="{{otherPath}}"><bdi>{{otherName}}</bdi></a>: {{sentence}}</p>
        {{#parts}}
        <details{{#isOpen}} open{{/isOpen}}><summary>{{name}}: {{count}}</summary>
        <ul class="paths">{{#paths}}<li><code>{{.}}</code></li>{{/paths}}</ul>
        {{#more}}<p class="quiet">{{more}}</p>{{/more}}
        </details>
        {{/parts}}
        {{/difference}}
        </section>
        {{/hasHeaders}}
        {{/main}}
        {{$foot}}{{foot}}{{/foot}}
        {{/PageLayout}}
        """
}
