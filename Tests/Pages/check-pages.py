#!/usr/bin/env python3
"""Looks at the pages in a browser: light and dark, wide and as narrow as a phone, with the keyboard, and without JavaScript.

  Tests/Pages/check-pages.py [--screenshots FOLDER] BINARIES

KHEADER_URLS is a server with a fleet in it (Tests/Demo/fleet.py). axe-core must find nothing, the browser must have nothing to
complain of (its console has what the Content-Security-Policy keeps out), and nothing may stick out of a page.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

BROWSER = "/usr/bin/chromium"
failures = []


def demand(is_true, what):
    if not is_true:
        failures.append(what)
        print(f"FAILED {what}", file=sys.stderr, flush=True)


def empty_server(program, folder):
    process = subprocess.Popen(
        [program, "serve", "--state", f"{folder}/state", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    return process, process.stdout.readline().split()[2]


def paths(url):
    """Of each kind of page one, by the name of its screenshot."""
    kernels = json.load(urllib.request.urlopen(f"{url}/v1/kernels"))["kernels"]

    def first(what, condition):
        found = next((kernel["buildID"] for kernel in kernels if condition(kernel)), None)
        demand(found, f"the fleet has a kernel that {what}")
        return f"/kernels/{found}"

    good = first("compiles", lambda kernel: kernel.get("smoke", {}).get("state") == "verified")
    other = first("is another", lambda kernel: "treeDigest" in kernel and kernel["buildID"] not in good)
    return {
        "fleet": "/", "fleet-filtered": "/?releaseGlob=6.1*&headers=true&architecture=x86_64&sort=hosts",
        "fleet-nothing": "/?releaseGlob=none", "kernel": good,
        "kernel-compared": f"{good}?compare={other.removeprefix('/kernels/')}",
        "kernel-not-compared": f"{good}?compare=x",
        "kernel-conflict": first("has a conflict", lambda kernel: kernel["conflicts"] > 0),
        "kernel-failed": first("does not compile", lambda kernel: kernel.get("smoke", {}).get("state") == "failed"),
        "kernel-gap": first("has no headers", lambda kernel: "treeDigest" not in kernel),
        "coverage": "/coverage", "problem": "/kernels/ffff", "problem-route": "/nowhere",
    }


def look(browser, url, pages, folder):
    for scheme, width in [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)]:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url} failed"))
        for name, path in pages.items():
            what = f"{name}, {scheme}, {width}"
            complaints.clear()
            answer = page.goto(url + path)
            # That the answer is a refusal is what these pages are for.
            expected = [] if answer.ok else [f"{answer.status}"]
            demand(all(any(status in text for status in expected) for text in complaints), f"{what}: {complaints}")
            if folder:
                page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)
            for violation in Axe().run(page).response["violations"]:
                places = [node["target"] for node in violation["nodes"]]
                demand(False, f"{what}: {violation['id']}, {violation['help']}: {places}")
            beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            demand(beyond <= 0, f"{what}: {beyond} pixels stick out")
            # What scrolls sideways is hard to read on a phone.
            beyond = page.evaluate(
                "Math.max(0, ...[...document.querySelectorAll('.scroll')].map((part) => part.scrollWidth - part.clientWidth))")
            demand(beyond <= 0, f"{what}: a table is {beyond} pixels too wide")
        context.close()


def use_keyboard(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url + "/")
    page.keyboard.press("Tab")
    demand(page.evaluate("document.activeElement.className") == "skip", "the first stop is the link to the content")
    demand(page.evaluate("document.activeElement.getBoundingClientRect().top >= 0"), "it is seen when it has the focus")
    page.keyboard.press("Enter")
    demand(page.evaluate("document.activeElement.id") == "main", "it leads to the content")
    stops = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        stop, outline = page.evaluate("""[document.activeElement.outerHTML.slice(0, 80),
            getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth]""")
        if stop.startswith("<body"):  # behind the last one, where the browser's own come
            break
        stops.add(stop)
        demand(outline.startswith("solid") and not outline.endswith("solid0px"), f"the focus is seen on {stop}")
    demand(len(stops) > 20, f"the keyboard reaches {len(stops)} places")
    page.close()


def use_without_script(browser, url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url + "/")
    page.fill("#releaseGlob", "6.1")
    page.select_option("#headers", "false")
    page.click("button[type=submit]")
    demand("headers=false" in page.url and page.locator("tbody tr").count() > 0, "the form works without JavaScript")
    page.click("tbody th a")
    demand("/kernels/" in page.url, "links work without JavaScript")
    context.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshots")
    parser.add_argument("binaries")
    options = parser.parse_args()
    url = os.environ["KHEADER_URLS"]
    if options.screenshots:
        os.makedirs(options.screenshots, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process, empty = empty_server(f"{options.binaries}/kheaderd", folder)
        # Chromium has no sandbox for root, and no large shared memory in containers.
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            look(browser, empty, {"empty": "/", "empty-coverage": "/coverage"}, options.screenshots)
            look(browser, url, paths(url), options.screenshots)
            use_keyboard(browser, url)
            use_without_script(browser, url)
        finally:
            browser.close()
            process.terminate()
            process.wait()
    if failures:
        sys.exit(f"{len(failures)} failures")
    print("Nothing was found")


main()
