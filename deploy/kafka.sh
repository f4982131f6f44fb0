#!/usr/bin/env bash
# Fetches the jars of the pinned Kafka broker (deploy/kafka/pom.xml) into a cache folder, once.
#
#   kafka.sh fetch      into build/kafka, or into $TYR_KAFKA_HOME
#
# It also runs a broker once, to leave an archive of loaded classes (class data sharing) beside them that
# takes more than a second off every later start.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
home=${TYR_KAFKA_HOME:-$(dirname "$here")/build/kafka}

say() { printf 'kafka: %s\n' "$*"; }
die() { printf 'kafka: %s\n' "$*" >&2; exit 1; }

# The stamp is the pom's hash, so that a new version replaces the old jars.
fetched() { [ "$(cat "$home/stamp" 2>/dev/null)" = "$stamp" ]; }

fetch() {
	local stamp
	stamp=$(sha256sum <"$here/kafka/pom.xml")
	fetched && return

	mkdir -p "$home"
	exec 9>"$home/lock"
	flock 9                                 # two test runs may ask at the same time
	fetched && return

	command -v mvn >/dev/null || die "maven is missing; run deploy/install.sh run"
	say "fetching the broker's jars with maven (45 MB, once)"
	rm -rf "$home/libs" "$home/stamp"
	if ! mvn -B -q -ntp -Dstyle.color=never -f "$here/kafka/pom.xml" \
		dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$(cd "$home" && pwd)/libs" \
		>"$home/fetch.log" 2>&1 9>&-; then
		tail -n 15 "$home/fetch.log" >&2
		die "maven could not fetch Kafka; the whole log is $home/fetch.log"
	fi
	echo "$stamp" >"$home/stamp"
	archive_classes || say "the class archive was not made, see $home/archive.log; the broker runs without it"
}

archive_classes() {
	local tmp status=0
	say "starting the broker once, to archive its classes for faster starts"
	rm -f "$home/broker.jsa"
	tmp=$(mktemp -d "$(cd "$home" && pwd)/try.XXXXXX")
	env -u TYR_KAFKA_PORT TYR_KAFKA_JVM="-XX:ArchiveClassesAtExit=$tmp/broker.jsa" \
		"$here/services.sh" start "$tmp/dir" kafka >"$home/archive.log" 2>&1 9>&- || status=1
	"$here/services.sh" stop "$tmp/dir" kafka >>"$home/archive.log" 2>&1 9>&- || status=1
	[ $status != 0 ] || mv "$tmp/broker.jsa" "$home/broker.jsa" || status=1
	rm -rf "$tmp"
	return $status
}

case ${1:-} in
fetch) fetch ;;
*) die "usage: kafka.sh fetch" ;;
esac
