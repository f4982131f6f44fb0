#!/usr/bin/env bash
# Runs what finds more than the compiler's warnings: gcc's analyzer, cppcheck and shellcheck (`make lint`).
#
#   lint.sh      ends with status 0 only if none of the three has anything to say
#
# A finding that is wrong is silenced here, as narrowly as its tool allows, with the reason beside it.
set -euo pipefail

cd "$(dirname "$0")/.."
jobs=$(nproc)
failed=0

say() { printf 'lint: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

for tool in gcc cppcheck shellcheck pkg-config; do
	command -v $tool >/dev/null || die "$tool is missing; run deploy/install.sh test"
done
make --silent --no-print-directory SAN='' build/gen/queries.h

# The list of libraries stands in the Makefile only.
read -ra libraries < <(sed -n 's/^LIBS := //p' Makefile)
[ ${#libraries[@]} -gt 0 ] || die "the Makefile has no line LIBS := ..."
read -ra includes < <(pkg-config --cflags "${libraries[@]}")

# The bounds are raised over gcc's own, so that fewer paths through long functions are given up.
say "gcc's analyzer"
find src -name '*.c' -print0 | sort -z | xargs -0 -n 1 -P "$jobs" \
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -pthread -Isrc -Ibuild/gen "${includes[@]}" -include util/banned.h \
	-Werror -fanalyzer --param analyzer-bb-explosion-factor=50 \
	--param analyzer-max-enodes-per-program-point=64 -c -o /dev/null || failed=1

# readdirCalled: readdir is safe where no two threads share a DIR, and glibc deprecates readdir_r.
# missingIncludeSystem: cppcheck knows the system's functions without reading their headers.
say "cppcheck"
cppcheck -j "$jobs" --quiet --std=c11 --language=c --library=posix --library=gnu \
	--enable=warning,performance,portability --error-exitcode=1 \
	--suppress=readdirCalled --suppress=missingIncludeSystem \
	-Isrc -Ibuild/gen -D_GNU_SOURCE src || failed=1

say "shellcheck"
mapfile -t scripts < <(find deploy loadtest schema tests -name '*.sh' | sort)
shellcheck -x .ci/run "${scripts[@]}" || failed=1

[ $failed = 0 ] || die "see what was found above"
say "nothing found"
