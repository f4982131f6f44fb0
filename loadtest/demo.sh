#!/usr/bin/env bash
# Fetches the real customer paths of the PyPI package mta and runs demo.py on them (`make demo`).
#
#   demo.sh [OPTION]...     the options of demo.py: demo.sh --help lists them
#
# The server has to run already.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
dir=$root/build/demo
version=0.0.9
wheel=$dir/mta-$version-py3-none-any.whl
sha256=e1f22a344dde8e77d6c11c76906fe5c5b1ce812d6f5de95cc9c4eeeabea83253

die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

is_genuine() { echo "$sha256  $wheel" | sha256sum --check --status 2>/dev/null; }

fetch() {
	! is_genuine || return 0
	local python=python3
	mkdir -p "$dir"
	if ! python3 -m pip --version >/dev/null 2>&1; then     # Debian's venv brings a pip of its own
		python3 -m venv "$dir/venv" >&2 || die "pip is missing: apt-get install python3-venv"
		python=$dir/venv/bin/python3
	fi
	"$python" -m pip -q --disable-pip-version-check download --no-deps --only-binary :all: \
		--dest "$dir" "mta==$version" || die "pip could not download mta $version"
	is_genuine || die "$wheel is not the file this demo was written for (its sha256 differs)"
}

command -v python3 >/dev/null || die "python3 is missing: apt-get install python3 python3-venv"
fetch
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$root/loadtest/demo.py" "$wheel" "$@"
