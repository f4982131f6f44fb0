#!/usr/bin/env bash
# Fetches the real customer paths of the PyPI package mta and runs demo.py on them (`make demo`).
#
#   demo.sh [OPTION]...     the options of demo.py: demo.sh --help lists them
#   demo.sh --models        also compares the models' totals with those that mta computes; installs mta, numpy,
#                           pandas and so on into build/demo/models, which takes a minute
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

# What mta itself computes, into models.json.
compute_models() {
	[ ! -s "$dir/models.json" ] || return 0
	python3 -m venv "$dir/models" >&2 || die "python3 has no venv: apt-get install python3-venv"
	"$dir/models/bin/pip" -q --disable-pip-version-check install "mta==$version" || die "pip could not install mta"
	"$dir/models/bin/python" "$root/loadtest/mta_totals.py" >"$dir/models.json.new" || die "mta failed"
	mv "$dir/models.json.new" "$dir/models.json"
}

command -v python3 >/dev/null || die "python3 is missing: apt-get install python3 python3-venv"
fetch
export PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = --models ]; then
	shift
	compute_models
	set -- --models "$dir/models.json" "$@"
fi
exec python3 "$root/loadtest/demo.py" "$wheel" "$@"
