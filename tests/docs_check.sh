#!/bin/sh
# Fails when README.md does not say what the program says of itself (`make docs-check`).
#
# Checked are the table of options against `tyrattribution --help-markdown`, that every family of metrics, every
# route and every reason of a dead letter is named, and that every path of this repository that is named exists.
# shellcheck disable=SC2016  # backticks in single quotes are markdown's
set -eu

cd "$(dirname "$0")/.."
program=${TYR_BINARY:-build/tyrattribution}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { echo "docs-check: $*" >&2; exit 1; }

# A file, since some complaints come from subshells.
complain() {
	echo "docs-check: $*"
	: >"$work/failed"
}

# What stands between <!-- NAME --> and <!-- /NAME -->.
section() { sed -n "/^<!-- $1 -->\$/,/^<!-- \/$1 -->\$/p" README.md | sed '1d;$d'; }

# Every line of standard input must stand as `code` in the file $2.
expect() {
	cat >"$work/wanted"
	[ -s "$work/wanted" ] || complain "no $1 was found in the sources: has their form changed?"
	while read -r word; do
		grep -qF "\`$word\`" "$2" || complain "README.md does not name the $1 $word"
	done <"$work/wanted"
}

[ -x "$program" ] || die "there is no $program; run make"

section options >"$work/options"
"$program" --help-markdown >"$work/help"
diff "$work/options" "$work/help" ||
	complain "the options in README.md (<) are not what $program --help-markdown says (>): paste the latter"

section metrics >"$work/metrics"
{
	sed -n 's/^METRIC([^"]*"\([a-z_]*\)".*/\1/p' src/util/metrics.def
	grep -o '"tyr_[a-z_]*"' src/net/admin.c | tr -d '"'
} | sort -u >"$work/families"
expect metric "$work/metrics" <"$work/families"
grep -o '^| `[a-z_]*`' "$work/metrics" | tr -d '|` ' | grep -vxFf "$work/families" |
	while read -r metric; do complain "README.md names the metric $metric, which does not exist"; done

sed -n 's/^[[:space:]]*{ROLE_[A-Z]*, "\(\/[a-z/-]*\)", ROUTE_.*/\1/p' src/net/routes.c | expect route README.md
sed -n 's/^#define DEAD_[A-Z_]* "\([a-z_]*\)".*/\1/p' src/domain/decode.h | expect 'reason of a dead letter' README.md

# Paths stand as `code` or in links; they may be patterns, such as actor.[ch].
{
	grep -oE '`(\.ci|deploy|loadtest|schema|src|tests)/[^` ]*`' README.md | tr -d '`'
	grep -oE '\]\([a-z.][^):]*\)' README.md | sed 's/^](//; s/)$//'
} | sort -u >"$work/paths"
[ "$(section tour | grep -c '`src/')" -ge 10 ] || complain "README.md has no code tour between its marks"
while read -r path; do
	for file in $path; do
		[ -e "$file" ] || complain "README.md names $path, which does not exist"
	done
done <"$work/paths"

[ ! -e "$work/failed" ] || exit 1
echo "docs-check: README.md agrees with the program"
