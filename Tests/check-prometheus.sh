#!/usr/bin/env bash
# Checks what Prometheus and Grafana are given: the alerts, that each of them fires when it has to, and the dashboard's queries.
#
#   Tests/check-prometheus.sh FOLDER
set -euo pipefail
export LC_ALL=C

folder=${1:?usage: check-prometheus.sh FOLDER}
queries=$(mktemp "${TMPDIR:-/tmp}/kheader-queries.XXXXXX")
trap 'rm -f "$queries"' EXIT

for rules in "$folder"/prometheus/*.rules.yaml; do promtool check rules "$rules"; done
for tests in "$folder"/prometheus/*.rules.test.yaml; do promtool test rules "$tests"; done

# A dashboard has no checker; its queries are recording rules to this one.
python3 - "$folder"/grafana/*.json >"$queries" <<'END'
import json, sys

rules = []
for path in sys.argv[1:]:
    dashboard = json.load(open(path))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels), f"{path}: an ID comes twice"
    for panel in panels:
        for target in panel["targets"]:
            query = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "5m")
            rules.append({"record": f"query_{len(rules)}", "expr": query})
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)
END
promtool check rules --lint=none "$queries"
