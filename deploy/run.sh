#!/usr/bin/env bash
# Runs the whole system in the foreground: private services in run/, migrations, then the program.
#
# The program's options come from the environment or .env as always. Where these name a Kafka, Redis or
# PostgreSQL, that one is used, and no private one is started. Ctrl-C or TERM ends the program in its
# orderly way, and then those services that this script has started. The exit code is the program's.
set -euo pipefail

cd "$(dirname "$0")/.."
program=${TYR_PROGRAM:-build/tyrattribution}
dir=${TYR_RUN_DIR:-run}

say() { printf 'run: %s\n' "$*"; }
die() { printf 'run: %s\n' "$*" >&2; exit 1; }

# --- options -------------------------------------------------------------------------------------

# True when the environment or .env sets an option whose name matches.
user_sets() {
	env | grep -qE "^($1)=." || grep -qsE "^[[:space:]]*(export[[:space:]]+)?($1)[[:space:]]*=" .env
}

# What a listen option is set to, as an address that curl can reach.
address_of() {
	local value=${!1:-} line="^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*[\"']?([^\"'# ]*).*"
	[ -n "$value" ] || [ ! -e .env ] || value=$(sed -nE "s/$line/\2/p" .env | tail -n 1)
	value=${value:-$2}
	echo "${value/0.0.0.0/127.0.0.1}"
}

# The names, old ones included, by which a user points to a service of his own.
names_of() {
	case $1 in
	kafka) echo 'KAFKA_(BROKER_)?URL' ;;
	redis) echo REDIS_URL ;;
	postgres) echo '(DB|POSTGRES)_(HOST|PORT|USER|PASSWORD|NAME|DB|SSLMODE|SSL_MODE)' ;;
	esac
}

# --- services ------------------------------------------------------------------------------------

ours=()

start_services() {
	local name needed=() line
	for name in kafka redis postgres; do
		if user_sets "$(names_of $name)"; then
			say "$name: using yours, as the environment or .env says"
			continue
		fi
		needed+=("$name")
		deploy/services.sh status "$dir" "$name" >/dev/null 2>&1 || ours+=("$name")
	done
	[ ${#needed[@]} -gt 0 ] || return 0
	say "starting ${needed[*]} in $dir/"
	deploy/services.sh start "$dir" "${needed[@]}"
	for name in "${needed[@]}"; do
		while read -r line; do
			export "${line?}"
		done < <(grep -E "^$(names_of "$name")=" "$dir/env")
	done
}

# shellcheck disable=SC2317  # the EXIT trap calls it
stop_services() {
	trap '' INT TERM HUP
	[ ${#ours[@]} -gt 0 ] && [ -d "$dir" ] || return 0
	say "stopping ${ours[*]}"
	deploy/services.sh stop "$dir" "${ours[@]}"
}

# --- the program ---------------------------------------------------------------------------------

pid=''
announcer=''
signalled=''

# A session of its own, since a terminal sends Ctrl-C to every process in front, and the program takes a
# second signal as an order to end at once. It gets exactly those that this script passes on.
serve() {
	local code
	setsid "$program" serve &
	pid=$!
	trap 'signalled=yes; kill -TERM $pid 2>/dev/null || true' INT TERM HUP
	announce &
	announcer=$!
	while :; do
		signalled='' code=0
		wait $pid || code=$?
		[ -n "$signalled" ] || break    # else it was the signal that ended the wait
	done
	kill $announcer 2>/dev/null || true
	return $code
}

# Says how to use the program as soon as it can be used.
announce() {
	local api admin began=$SECONDS told=''
	trap - INT TERM HUP
	api=$(address_of HTTP_LISTEN 127.0.0.1:8080)
	admin=$(address_of ADMIN_LISTEN 127.0.0.1:8081)
	until curl -fs -m 2 -o /dev/null "http://$admin/readyz"; do
		if [ -z "$told" ] && [ $((SECONDS - began)) -ge 15 ]; then
			say "still not ready; http://$admin/readyz tells why"
			told=yes
		fi
		sleep 0.1
	done
	cat <<-END
		run: ready on http://$api (metrics on http://$admin/metrics); Ctrl-C stops everything. Try:

		curl http://$api/api/events/click --json '{"campaign_id": "11111111-1111-4111-8111-111111111111",
		  "user_id": "22222222-2222-4222-8222-222222222222", "source": "newsletter",
		  "click_date": "$(date -u +%FT%TZ)"}'

		curl 'http://$api/api/campaigns/statistics?campaign_id=11111111-1111-4111-8111-111111111111&group_by=daily'

	END
}

[ -x "$program" ] || die "there is no $program; run make"
trap stop_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
start_services
if ! user_sets SPOOL_DIR; then
	mkdir -p "$dir"
	export SPOOL_DIR="$dir/spool"
fi
"$program" migrate
serve && code=0 || code=$?
exit "$code"
