#!/usr/bin/env bash
# Prints the path of a k6 binary: the one on PATH, else build/bin/k6, built with Go once.
#
# The version is the newest that Go 1.19 builds, which is what Debian 12 has; newer Go builds it too.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/build/bin
version=v0.48.0

say() { printf 'k6: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

build() {
	command -v go >/dev/null || die "neither k6 nor go is installed; install one: apt-get install golang-go"
	mkdir -p "$bin"
	exec 9>"$bin/k6.lock"
	flock 9                                 # two runs may ask at the same time
	[ ! -x "$bin/k6" ] || return 0
	say "building k6 $version with $(go env GOVERSION) (once; a few minutes)"
	GOBIN=$bin GOFLAGS=-trimpath CGO_ENABLED=0 go install "go.k6.io/k6@$version" >"$bin/k6.log" 2>&1 9>&- || {
		tail -n 15 "$bin/k6.log" >&2
		die "go could not build k6; the whole log is $bin/k6.log"
	}
}

if ! command -v k6; then
	[ -x "$bin/k6" ] || build
	echo "$bin/k6"
fi
