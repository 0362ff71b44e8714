/// The one style of all pages. Light or dark, as the reader's system is; every pair of colours that text is made of has a
/// contrast of 4.5 at least (WCAG AA), every border that means something one of 3.
/// On a phone a row of a table is shown as a list, with `data-label` before each cell. What is not shown as a table is none to
/// browsers, hence the `role` of each part of one.
enum PageStyle {
    static let text = """
        :root {
            color-scheme: light dark;
            --ground: #f4f6f8; --surface: #ffffff; --sunken: #eef1f5; --line: #d5dbe3; --edge: #7d8896;
            --text: #18202b; --quiet: #4d5967; --link: #0b5fa5; --on-link: #ffffff; --focus: #b35900;
            --good: #176b33; --good-back: #e2f4e7; --good-fill: #2e9150;
            --fair: #7a4b00; --fair-back: #fdf0d3; --fair-fill: #d39300;
            --poor: #a3201a; --poor-back: #fde7e5; --poor-fill: #cf4039;
            --none-back: #e9edf2;
        }
        @media (prefers-color-scheme: dark) {
            :root {
                --ground: #0e131a; --surface: #171e27; --sunken: #10161e; --line: #2c3643; --edge: #728092;
                --text: #e5eaf1; --quiet: #a5b1c0; --link: #82bdf5; --on-link: #0e131a; --focus: #ffb454;
                --good: #7fdc9c; --good-back: #133021; --good-fill: #3da763;
                --fair: #f2c46d; --fair-back: #362a10; --fair-fill: #d39b2a;
                --poor: #ff9d95; --poor-back: #3d1b1a; --poor-fill: #e0574f;
                --none-back: #242d39;
            }
        }
        *, *::before, *::after { box-sizing: border-box; }
        html { font: 100%/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif; }
        body { margin: 0; background: var(--ground); color: var(--text); font-size: .9375rem; }
        .wide { width: 100%; max-width: 78rem; margin-inline: auto; padding-inline: clamp(.875rem, 3vw, 2rem); }
        a { color: var(--link); text-underline-offset: .18em; text-decoration-thickness: 1px; }
        a:hover { text-decoration-thickness: 2px; }
        :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
        main:focus { outline: none; }
        h1 { font-size: clamp(1.375rem, 1rem + 2vw, 1.875rem); line-height: 1.2; letter-spacing: -.015em; margin: 1.75rem 0 1rem;
            overflow-wrap: anywhere; }
        h2 { font-size: 1.0625rem; line-height: 1.3; margin: 0 0 .75rem; }
        h3 { font-size: .9375rem; margin: 1rem 0 .25rem; overflow-wrap: anywhere; }
        p, ul, dl, pre { margin: 0 0 .75rem; }
        ul { padding-inline-start: 1.25rem; }
        li { overflow-wrap: anywhere; }
        code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
            font-size: .8125rem; }
        code { overflow-wrap: anywhere; }
        pre { background: var(--sunken); border: 1px solid var(--line); border-radius: 6px; padding: .625rem .75rem;
            line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; }
        pre.words { max-height: 22rem; overflow: auto; }
        .quiet, .note, .sub { color: var(--quiet); }
        .lead { font-size: 1rem; max-width: 48rem; overflow-wrap: anywhere; }

        .skip { position: absolute; inset-inline-start: .5rem; top: -4rem; padding: .5rem .75rem; background: var(--surface);
            z-index: 1; }
        .skip:focus { top: .5rem; }
        .top { background: var(--surface); border-bottom: 1px solid var(--line); }
        .top .wide { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.75rem; padding-block: .5rem; }
        .top .name { font-weight: 700; letter-spacing: -.01em; color: var(--text); text-decoration: none; font-size: 1.0625rem; }
        .top nav { display: flex; gap: .25rem; }
        .top nav a { padding: .375rem .625rem; border-radius: 6px; text-decoration: none; color: var(--text); }
        .top nav a:hover { background: var(--sunken); }
        .top nav a[aria-current] { background: var(--none-back); font-weight: 600; }
        .crumb { margin: 1.25rem 0 0; }
        .crumb + h1 { margin-top: .25rem; }
        footer { color: var(--quiet); font-size: .8125rem; padding-block: 1rem 2rem; }

        .card { background: var(--surface); border: 1px solid var(--line); border-radius: 10px;
            padding: clamp(.875rem, 2.5vw, 1.25rem); margin: 0 0 1rem; min-width: 0; }
        .card > :last-child { margin-bottom: 0; }
        .card * + h2 { margin-top: 1.25rem; }
        .scroll + p { margin-top: .75rem; }
        .columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 0 1rem;
            align-items: start; }
        .tiles { list-style: none; padding: 0; margin: 0 0 1rem; display: grid; gap: .75rem;
            grid-template-columns: repeat(auto-fit, minmax(min(100%, 10.5rem), 1fr)); }
        .tiles .card { display: flex; flex-direction: column; margin: 0; padding: .75rem 1rem; }
        .tiles .name { color: var(--quiet); font-size: .8125rem; }
        .tiles .value { font-size: 1.5rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.25;
            font-variant-numeric: tabular-nums; }
        .tiles .note { font-size: .8125rem; }
        .tiles .poor { border-color: var(--poor-fill); }
        .tiles .poor .value { color: var(--poor); }

        .bar { display: block; border-radius: 7px; background: var(--none-back); margin-bottom: .625rem; }
        .bar .none { fill: transparent; }
        .bar .good { fill: var(--good-fill); } .bar .fair { fill: var(--fair-fill); } .bar .poor { fill: var(--poor-fill); }
        .legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .125rem 1.25rem; }
        .key { display: inline-block; width: .75rem; height: .75rem; border-radius: 3px; margin-inline-end: .4rem;
            vertical-align: -1px; }
        .key.good { background: var(--good-fill); } .key.fair { background: var(--fair-fill); }
        .key.poor { background: var(--poor-fill); }
        .key.none { background: var(--none-back); border: 1px solid var(--edge); }

        .filter { display: flex; flex-wrap: wrap; gap: .625rem .75rem; align-items: end; margin: 0 0 1rem; }
        .field { margin: 0; display: flex; flex-direction: column; gap: .2rem; min-width: 0; }
        .field:has(button) { flex-direction: row; align-items: center; gap: .75rem; }
        .field.grows { flex: 1 1 14rem; }
        label { font-size: .8125rem; color: var(--quiet); }
        input, select, button { font: inherit; color: var(--text); background: var(--surface); border: 1px solid var(--edge);
            border-radius: 6px; padding: .375rem .625rem; min-height: 2.25rem; max-width: 100%; }
        input { width: 100%; }
        ::placeholder { color: var(--quiet); opacity: 1; }
        button { background: var(--link); border-color: var(--link); color: var(--on-link); font-weight: 600; cursor: pointer;
            padding-inline: 1rem; }
        button:hover { filter: brightness(1.1); }

        .scroll { overflow-x: auto; margin-inline: calc(-1 * clamp(.875rem, 2.5vw, 1.25rem)); }
        table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { text-align: start; vertical-align: top; padding: .5rem .625rem; border-top: 1px solid var(--line);
            font-weight: inherit; }
        th:first-child, td:first-child { padding-inline-start: clamp(.875rem, 2.5vw, 1.25rem); }
        thead th { border-top: 0; color: var(--quiet); font-size: .8125rem; white-space: nowrap; }
        tbody th { min-width: 12rem; max-width: 30rem; overflow-wrap: anywhere; }
        tbody th a { font-weight: 600; text-decoration: none; }
        tbody th a:hover { text-decoration: underline; }
        tbody tr:hover { background: var(--sunken); }
        .number { text-align: end; white-space: nowrap; }
        .sub { display: block; font-size: .8125rem; }
        td time { white-space: nowrap; }
        .reasons { min-width: 16rem; overflow-wrap: anywhere; }
        .reasons p { margin: 0 0 .25rem; }
        .pages { display: flex; gap: 1.25rem; padding-top: .75rem; border-top: 1px solid var(--line); }
        .pages:empty { display: none; }

        .badge { display: inline-block; padding: .0625rem .5rem; border-radius: 1rem; font-size: .8125rem; line-height: 1.45;
            white-space: nowrap; background: var(--none-back); color: var(--quiet); }
        .badge.good { background: var(--good-back); color: var(--good); }
        .badge.fair { background: var(--fair-back); color: var(--fair); }
        .badge.poor { background: var(--poor-back); color: var(--poor); }
        .badges { display: flex; flex-wrap: wrap; gap: .375rem; }

        .facts > div { display: grid; grid-template-columns: minmax(7rem, 11rem) minmax(0, 1fr); gap: 0 1rem;
            padding: .3125rem 0; border-top: 1px solid var(--line); }
        .facts > div:first-child { border-top: 0; }
        .facts dt { color: var(--quiet); }
        .facts dd { margin: 0; overflow-wrap: anywhere; }
        .download { margin-bottom: .375rem; }
        .purpose { margin-bottom: .25rem; }
        .conflict { border-inline-start: 4px solid var(--poor-fill); padding-inline-start: .875rem; }
        .conflict h3 { margin-top: .75rem; }
        .alert { border-inline-start: 4px solid var(--fair-fill); padding-inline-start: .875rem; }
        .plain { list-style: none; padding: 0; }
        .paths { list-style: none; padding-inline-start: 0; columns: 22rem; column-gap: 1.5rem; }
        .filter > details { flex: 1 1 100%; border: 0; padding: 0; }
        .filter .filter { margin: .5rem 0 0; }
        details { border-top: 1px solid var(--line); padding: .5rem 0; }
        summary { cursor: pointer; font-weight: 600; padding: .25rem 0; }
        .problem { max-width: 44rem; margin: clamp(1rem, 8vh, 5rem) auto; }
        .problem h1 { margin: 0 0 .75rem; }
        .problem .status { font-size: 3rem; font-weight: 700; line-height: 1; letter-spacing: -.03em; color: var(--quiet);
            margin-bottom: .5rem; }
        .empty code { background: var(--sunken); padding: .125rem .375rem; border-radius: 4px; }
        @media (max-width: 40rem) {
            .facts > div { grid-template-columns: 1fr; }
            .tiles { grid-template-columns: 1fr 1fr; }
            .tiles .card { padding: .625rem .75rem; }
            .tiles :nth-child(odd):last-child { grid-column: 1 / -1; }
            .field { flex: 1 1 7rem; }
            .field.grows { flex-basis: 100%; }
            table, tbody, tr, tbody th, td { display: block; }
            thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
            tbody tr { border-top: 1px solid var(--line); padding: .5rem clamp(.875rem, 2.5vw, 1.25rem); }
            tbody tr:first-child { border-top: 0; }
            tbody th:first-child, td { border: 0; padding: .125rem 0; min-width: 0; max-width: none; }
            td { position: relative; padding-inline-start: 6rem; min-height: 1.75rem; }
            td.number { text-align: start; }
            td::before { content: attr(data-label); position: absolute; inset-inline-start: 0; color: var(--quiet);
                font-size: .8125rem; }
        }
        @media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
        @media (forced-colors: active) { .badge, .bar, .key { border: 1px solid; } }
        @media print { .top nav, .filter, .skip { display: none; } .card { break-inside: avoid; } }

        """
}
