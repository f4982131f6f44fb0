#!/usr/bin/env bash
# Builds and runs the tests, and ends with one line "N passed, N failed".
#
# Usage: tests/run.sh            everything: what the sources promise (format, docs, lint), unit and stress
#                                tests plain, under the address and the thread sanitizer, the tests against real
#                                services with the plain and the address-sanitized program, some minutes of faults
#        tests/run.sh address    that flavour only: unit, stress and integration tests
#        tests/run.sh thread     that flavour only: unit and stress tests, the actors on real services
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0
failed=0
log=build/test-logs
mkdir -p "$log"

say() {
	printf '\n== %s\n' "$*"
}

# one COUNTS-AS-ONE-TEST step: name, then the command
step() {
	local name=$1 began=$SECONDS
	shift
	say "$name"
	if "$@" >"$log/$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok ($((SECONDS - began)) s)"
	else
		failed=$((failed + 1))
		tail -n 40 "$log/$name.log"
		echo "FAILED: $name (whole output: $log/$name.log)"
	fi
}

# the compiled tests of a flavour; cmocka's closing lines are counted
compiled() {
	local flavour=$1 out=build${1:+/$1} name t stress
	stress=$out/tests/stress/actor_stress
	say "compiled tests${flavour:+, $flavour}"
	if ! make --no-print-directory -j"$(nproc)" SAN="$flavour" all tests >"$log/build-$flavour.log" 2>&1; then
		tail -n 40 "$log/build-$flavour.log"
		failed=$((failed + 1))
		return
	fi
	# librdkafka starts threads in a way that gcc 12's thread sanitizer does not follow
	[ "$flavour" = thread ] || stress="$stress $out/tests/stress/producer_stress"
	for t in "$out"/tests/unit/*_test $stress; do
		name=$(basename "$t")
		TSAN_OPTIONS=suppressions=tests/tsan.supp "$t" >"$log/$name-$flavour.log" 2>&1
		local code=$? ok bad
		ok=$(grep -c '^\[       OK \]' "$log/$name-$flavour.log")
		# a failed test is named twice: where it failed, and in the list at the end
		bad=$(grep '^\[  FAILED  \] [^0-9]' "$log/$name-$flavour.log" | sort -u | wc -l)
		[ "$code" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
		passed=$((passed + ok))
		failed=$((failed + bad))
		printf '%-16s %3d passed, %d failed\n' "$name" "$ok" "$bad"
		[ "$bad" -eq 0 ] || tail -n 40 "$log/$name-$flavour.log"
	done
}

# pytest against real services of its own. Arguments: the program's flavour, that of the actors' stress test, the
# tests, and how much slower than alone on the machine everything may be
begin_integration() {
	local flavour=$1 out=build${1:+/$1}
	TYR_BINARY=$out/tyrattribution TYR_PIPELINE=build/${2:+$2/}tests/stress/pipeline_stress TYR_SAN=$flavour TYR_SLOW_FACTOR=$4 \
		build/venv/bin/python -m pytest "$3" -q --maxfail=10 --durations=15 >"$log/pytest-$1-$2.log" 2>&1
}

# the same arguments and pytest's exit status: its closing line is counted
end_integration() {
	local report=$log/pytest-$1-$2.log code=$5 line ok bad
	say "tests against real services${1:+, $1}: $3"
	cat "$report"
	line=$(grep -E '^(=+ )?([0-9]+ (passed|failed|error)).* in ' "$report" | tail -n 1)
	ok=$(grep -oE '[0-9]+ passed' <<<"$line" | grep -oE '[0-9]+')
	bad=$(grep -oE '[0-9]+ (failed|errors?)' <<<"$line" | grep -oE '[0-9]+' | awk '{n += $1} END {print n + 0}')
	[ "$code" -ne 0 ] && [ "${bad:-0}" -eq 0 ] && bad=1
	passed=$((passed + ${ok:-0}))
	failed=$((failed + ${bad:-0}))
}

integration() {
	begin_integration "$@"
	end_integration "$@" $?
}

# Most of the time tests wait, so both flavours run at once.
both_flavours() {
	local pid
	begin_integration address address tests/integration 6 &
	pid=$!
	integration '' thread tests/integration 2
	wait "$pid"
	end_integration address address tests/integration 6 $?
}

services_for_tests() {
	tests/venv.sh && deploy/kafka.sh fetch
}

case ${1:-} in
thread)
	compiled thread
	step prepare-services services_for_tests
	integration '' thread tests/integration/test_actors.py 1
	;;
address)
	compiled address
	step prepare-services services_for_tests
	integration address address tests/integration 4
	;;
'')
	step build make --no-print-directory -j"$(nproc)" all
	step format make --no-print-directory fmt-check
	step docs make --no-print-directory docs-check
	step lint make --no-print-directory lint
	compiled ''
	compiled address
	compiled thread
	step prepare-services services_for_tests
	both_flavours
	step build-faults make --no-print-directory build/faults/fsync_shim.so
	integration '' '' tests/faults 1
	;;
*)
	echo "tests/run.sh: unknown flavour '$1': use address, thread or nothing" >&2
	exit 2
	;;
esac

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
