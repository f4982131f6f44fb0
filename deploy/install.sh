#!/usr/bin/env bash
# Installs what is missing on Debian 12: for running (run), for running and testing (test), or for
# running and measuring (bench).
#
#   install.sh run|test|bench
#
# It ends at once, without the network, where nothing is missing. It neither starts nor stops a system
# service: the Redis and PostgreSQL it installs are only run privately, by deploy/services.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/tyrattribution.conf

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

wanted() {
	local lists=("$here/packages-build.txt" "$here/packages-run.txt")
	[ "$1" = run ] || lists+=("$here/packages-$1.txt")
	sed 's/#.*//' "${lists[@]}" | xargs -n 1
}

# Prints those of the given packages that are not installed.
missing_of() {
	local installed
	# shellcheck disable=SC2016  # the braces are dpkg's
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p') || true
	printf '%s\n' "$@" | grep -vxF "${installed:-none}" || true
}

is_missing() { [[ " ${missing[*]} " = *" $1 "* ]]; }

# Debian starts a server as soon as it is installed. The policy says no for these two, and the other file
# keeps PostgreSQL from creating a cluster of its own; both are gone again afterwards. A policy that the
# machine already has stays as it is.
forbid_services() {
	trap allow_services EXIT
	if [ ! -e $policy ]; then
		wrote_policy=yes
		"${root[@]}" tee $policy >/dev/null <<-'END'
			#!/bin/sh
			case $1 in redis* | postgresql*) exit 101 ;; esac
		END
		"${root[@]}" chmod 755 $policy
	fi
	if is_missing postgresql-15; then
		"${root[@]}" mkdir -p "$(dirname $no_cluster)"
		echo 'create_main_cluster = false' | "${root[@]}" tee $no_cluster >/dev/null
	fi
}

wrote_policy=no
allow_services() {
	[ $wrote_policy = no ] || "${root[@]}" rm -f $policy
	"${root[@]}" rm -f $no_cluster
	"${root[@]}" rmdir "$(dirname $no_cluster)" 2>/dev/null || true
	rm -f "$log"
}

apt() {
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >>"$log" 2>&1
}

install() {
	log=$(mktemp)
	forbid_services
	say "running apt-get update"
	apt update || say "apt-get update had errors; trying with the lists there are"
	say "running apt-get install --no-install-recommends ${missing[*]}"
	if ! apt install --no-install-recommends "${missing[@]}"; then
		tail -n 20 "$log" >&2
		die "apt-get could not install everything"
	fi
	# Nor should it start with the next boot.
	! is_missing redis-server || "${root[@]}" update-rc.d redis-server disable >>"$log" 2>&1 || true
}

case ${1:-} in
run | test | bench) ;;
*) die "usage: install.sh run|test|bench" ;;
esac

mapfile -t packages < <(wanted "$1")
command -v dpkg-query >/dev/null ||
	die "this is not Debian; please install what corresponds to: ${packages[*]}"
mapfile -t missing < <(missing_of "${packages[@]}")
if [ ${#missing[@]} = 0 ]; then
	say "everything for '$1' is here"
	exit
fi

say "missing: ${missing[*]}"
root=()
if [ $EUID != 0 ]; then
	sudo -n true 2>/dev/null || die "only root can install them; please run: sudo $here/install.sh $1"
	root=(sudo -n)
fi
install
say "done"
