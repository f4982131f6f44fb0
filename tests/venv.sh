#!/usr/bin/env bash
# Makes build/venv, the Python environment of the tests, unless it is already there and up to date.
#
#   venv.sh      afterwards build/venv/bin/python -m pytest works
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
venv=${TYR_VENV:-$(dirname "$here")/build/venv}
marker=$venv/requirements-$(sha256sum <"$here/requirements.txt" | cut -c 1-16)

say() { printf 'venv: %s\n' "$*"; }
die() { printf 'venv: %s\n' "$*" >&2; exit 1; }

# A venv breaks when the python it was made with goes away.
is_current() { [ -e "$marker" ] && "$venv/bin/python" -c '' 2>/dev/null; }

is_current && exit
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9                                 # two test runs may ask at the same time
is_current && exit

say "making $venv with $(python3 --version 2>&1)"
python3 -m venv --clear "$venv" || die "python3 could not make one; run deploy/install.sh test"
say "installing tests/requirements.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
	die "pip could not install tests/requirements.txt"
touch "$marker"
