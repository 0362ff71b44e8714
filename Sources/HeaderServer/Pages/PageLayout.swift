internal import OperatorDocuments

/// What stands around every page.
struct PageLayout: PageView {
    static let template = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{{$title}}{{/title}} · kheaderd</title>
        <link rel="icon" href="\(PageAsset.icon.path)" type="image/svg+xml">
        <link rel="stylesheet" href="\(PageAsset.style.path)">
        </head>
        <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
        <div class="wide">
        <a class="name" href="/">kheaderd</a>
        <nav aria-label="Pages">
        <a href="/"{{#isFleet}} aria-current="page"{{/isFleet}}>Kernels</a>
        <a href="/coverage"{{#isCoverage}} aria-current="page"{{/isCoverage}}>Coverage</a>
        <a href="/openapi.yaml">API</a>
        </nav>
        </div>
        </header>
        <main id="main" class="wide" tabindex="-1">
        {{$main}}{{/main}}
        </main>
        <footer class="wide">{{$foot}}{{/foot}}</footer>
        </body>
        </html>

        """
}
