#!/usr/bin/env bash
# Runs a short soak against a server that already runs (`make soak`): RATE=200 DURATION=30s BASE_URL=...
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export BASE_URL=${BASE_URL:-http://127.0.0.1:8080}
export RATE=${RATE:-200} DURATION=${DURATION:-30s}
export K6_NO_USAGE_REPORT=true                  # k6 would report its use to its makers

die() { printf 'soak: %s\n' "$*" >&2; exit 1; }

# Any answer will do here, an error too: judging answers is the test's business.
command -v curl >/dev/null || die "curl is missing: apt-get install curl"
curl -s -o /dev/null --max-time 5 "$BASE_URL/" ||
	die "no server answers at $BASE_URL; start one in another terminal: make run"

k6=$("$here/k6.sh")
exec "$k6" run "$here/soak.js" "$@"
