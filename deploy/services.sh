#!/usr/bin/env bash
# Starts and stops a private Kafka, Redis and PostgreSQL that live wholly inside one folder.
#
#   services.sh start  DIR [kafka] [redis] [postgres]    start these (default: all), wait until they answer
#   services.sh stop   DIR [kafka] [redis] [postgres]    stop these in an orderly way
#   services.sh kill   DIR NAME [SIGNAL]                 send one a signal (default KILL)
#   services.sh status DIR [kafka] [redis] [postgres]    say what runs; exit 3 unless all of these do
#
# DIR/env says how to reach them, in the program's own option names. Everything listens on 127.0.0.1
# only, on ports that are picked free at the first start and kept in DIR/ports (TYR_KAFKA_PORT,
# TYR_REDIS_PORT and TYR_PG_PORT override them). A process is only ever ended through its pid file, and
# only while that pid still is the process we started. Any number of folders can be in use at once.
#
# TYR_START_SECONDS and TYR_STOP_SECONDS bound the waits, TYR_KAFKA_JVM adds one option of java,
# TYR_KAFKA_HOME and TYR_PG_BIN say where Kafka's jars and PostgreSQL's programs are, TYR_KAFKA_ADVERTISED
# (host:port) what Kafka tells its clients to connect to, where that is a proxy before it.
#
# PostgreSQL: role and database tyrattribution; the superuser postgres has the same password. Redis keeps
# nothing across a restart, as a cache may.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
all=(kafka redis postgres)
pg_bin=${TYR_PG_BIN:-/usr/lib/postgresql/15/bin}
kafka_home=${TYR_KAFKA_HOME:-$(dirname "$here")/build/kafka}
start_seconds=${TYR_START_SECONDS:-60}
stop_seconds=${TYR_STOP_SECONDS:-20}

say() { printf 'services: %s\n' "$*"; }
warn() { printf 'services: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }
usage() { sed -n '4,7s/^# *//p' "$0" >&2; exit 2; }

# The same, with what the service itself had to say.
die_with_log() {
	local name=$1
	shift
	warn "$name $*; the last lines of $dir/$name.log:"
	tail -n 15 "$dir/$name.log" | sed 's/^/    /' >&2
	exit 1
}

# --- processes -----------------------------------------------------------------------------------

# The kernel's start time of a pid (field 22 of stat), which tells it from a later process of the same
# number. Fails for a process that is gone, or dead and only not yet reaped.
start_time() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	read -ra stat <<<"${stat##*) }"         # what follows the name, which may hold spaces
	[ "${stat[0]}" != Z ] && echo "${stat[19]}"
}

# Prints the pid of a service that is running.
pid_of() {
	local pid started now
	read -r pid started 2>/dev/null <"$dir/$1.pid" || return 1
	now=$(start_time "$pid") && [ "$now" = "$started" ] && echo "$pid"
}

is_running() { pid_of "$1" >/dev/null; }
is_gone() { ! is_running "$1"; }

# Starts a command as a daemon in a session of its own, so that a Ctrl-C meant for the caller does not
# reach it, and records its pid.
spawn() {
	local name=$1 pid
	shift
	[ ! -s "$dir/$name.log" ] || mv "$dir/$name.log" "$dir/$name.log.1"
	(cd / && exec setsid "$@") >"$dir/$name.log" 2>&1 </dev/null 9>&- &
	pid=$!
	echo "$pid $(start_time "$pid")" >"$dir/$name.pid"
}

# Repeats a command until it succeeds, for so many seconds at most.
poll() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# --- ports and env -------------------------------------------------------------------------------

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port below the kernel's range for outgoing connections, so that none of those can take it later.
free_port() {
	local port taken=" $kafka_port $controller_port $redis_port $pg_port "
	while port=$((16000 + RANDOM % 16000)) && [[ $taken = *" $port "* ]] || is_listening "$port"; do :; done
	echo "$port"
}

read_ports() {
	kafka_port='' controller_port='' redis_port='' pg_port=''
	# shellcheck source=/dev/null
	[ ! -e "$dir/ports" ] || . "$dir/ports"
}

# Picks what is not known yet, and writes it down for the next start.
choose_ports() {
	read_ports
	kafka_port=${TYR_KAFKA_PORT:-${kafka_port:-$(free_port)}}
	controller_port=${controller_port:-$(free_port)}
	redis_port=${TYR_REDIS_PORT:-${redis_port:-$(free_port)}}
	pg_port=${TYR_PG_PORT:-${pg_port:-$(free_port)}}
	printf '%s=%s\n' kafka_port "$kafka_port" controller_port "$controller_port" \
		redis_port "$redis_port" pg_port "$pg_port" >"$dir/ports"
}

port_of() {
	case $1 in
	kafka) echo "$kafka_port" ;;
	redis) echo "$redis_port" ;;
	postgres) echo "$pg_port" ;;
	esac
}

write_env() (
	umask 077
	[ -e "$dir/password" ] || head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/password"
	cat >"$dir/env" <<-END
		KAFKA_URL=127.0.0.1:$kafka_port
		REDIS_URL=127.0.0.1:$redis_port
		DB_HOST=127.0.0.1
		DB_PORT=$pg_port
		DB_USER=tyrattribution
		DB_PASSWORD=$(cat "$dir/password")
		DB_NAME=tyrattribution
		DB_SSLMODE=disable
	END
)

# --- kafka ---------------------------------------------------------------------------------------

# One node that is broker and controller. The session is short so that a broker that was killed may
# register again soon; few offsets partitions and a small cleaner buffer make the start quicker.
kafka_conf() {
	cat <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$controller_port
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$controller_port
		advertised.listeners=PLAINTEXT://${TYR_KAFKA_ADVERTISED:-127.0.0.1:$kafka_port}
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$dir/kafka/data
		auto.create.topics.enable=false
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		group.initial.rebalance.delay.ms=0
		log.retention.ms=-1
		log.retention.bytes=-1
		log.cleaner.dedupe.buffer.size=8388608
		message.max.bytes=1048576
		broker.heartbeat.interval.ms=500
		broker.session.timeout.ms=3000
	END
}

kafka_classpath() {
	local jars=("$kafka_home"/libs/*.jar) IFS=:
	echo "${jars[*]}"
}

# 16 random bytes as Kafka writes them; a leading dash would read as an option.
kafka_cluster_id() {
	printf 'A%s' "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)"
}

kafka_prepare() {
	command -v java >/dev/null || die "java is missing; run deploy/install.sh run"
	"$here/kafka.sh" fetch
	mkdir -p "$dir/kafka"
	kafka_conf >"$dir/kafka/server.properties"
	[ ! -e "$dir/kafka/created" ] || return 0

	say "kafka: formatting its folder"
	rm -rf "$dir/kafka/data"
	java -XX:TieredStopAtLevel=1 -cp "$(kafka_classpath)" kafka.tools.StorageTool format \
		-t "$(kafka_cluster_id)" -c "$dir/kafka/server.properties" >"$dir/kafka.log" 2>&1 ||
		die_with_log kafka "could not format its folder"
	touch "$dir/kafka/created"
}

# G1 moved more small batches a second than the serial collector (150,000 against 140,000 messages), and
# stopping at the first compiler halved them.
kafka_launch() {
	local jvm=(-Xmx512m -XX:+UseG1GC)
	[ ! -e "$kafka_home/broker.jsa" ] || jvm+=("-XX:SharedArchiveFile=$kafka_home/broker.jsa")
	[ -z "${TYR_KAFKA_JVM:-}" ] || jvm+=("$TYR_KAFKA_JVM")
	spawn kafka java "${jvm[@]}" -cp "$(kafka_classpath)" \
		-Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
		-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
		-Dorg.slf4j.simpleLogger.showDateTime=true \
		'-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS' \
		kafka.Kafka "$dir/kafka/server.properties"
}

# The broker says so once it is registered and takes requests.
kafka_answers() { grep -q 'Kafka Server started' "$dir/kafka.log"; }

# --- redis ---------------------------------------------------------------------------------------

redis_prepare() {
	command -v redis-server >/dev/null || die "redis-server is missing; run deploy/install.sh run"
	mkdir -p "$dir/redis"
	cat >"$dir/redis/redis.conf" <<-END
		bind 127.0.0.1
		port $redis_port
		dir "$dir/redis"
		save ""
		appendonly no
		maxmemory-policy noeviction
	END
}

redis_launch() { spawn redis redis-server "$dir/redis/redis.conf"; }

redis_answers() { [ "$(redis-cli -p "$redis_port" ping 2>/dev/null)" = PONG ]; }

# --- postgres ------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root, so that root runs it as the user postgres. Where that user could not
# even reach the folder, it keeps one capability: to pass through directories that are closed to it.
as_postgres=()
become_postgres() {
	[ $EUID = 0 ] || return 0
	chown postgres: "$dir/postgres"
	as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)
	"${as_postgres[@]}" test -x "$dir/postgres" ||
		as_postgres+=(--inh-caps=+dac_read_search --ambient-caps=+dac_read_search)
}

# A part of the machine's memory: new clicks go to any page of an index of users, which should fit.
buffers_mb() {
	local mb
	mb=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo) / 8192))
	echo $((mb < 256 ? 256 : mb > 4096 ? 4096 : mb))
}

# Durability is the product, so that fsync stays on. The socket is in the data folder ("."), where only
# the owner can reach it; the address of DIR may be longer than that of a socket can be.
postgres_conf() {
	cat <<-END
		include '$dir/postgres/data/postgresql.conf'    # what initdb found out about this machine
		listen_addresses = '127.0.0.1'
		port = $pg_port
		hba_file = '$dir/postgres/pg_hba.conf'
		unix_socket_directories = '.'
		max_connections = 200
		max_locks_per_transaction = 1024
		shared_buffers = $(buffers_mb)MB
		max_wal_size = 2GB
		wal_compression = lz4
		fsync = on
		timezone = 'UTC'
		log_timezone = 'UTC'
		log_line_prefix = '%m [%p] '
	END
}

postgres_prepare() {
	[ -x "$pg_bin/initdb" ] || die "PostgreSQL 15 is missing; run deploy/install.sh run"
	mkdir -p "$dir/postgres"
	become_postgres
	postgres_conf >"$dir/postgres/postgresql.conf"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' \
		>"$dir/postgres/pg_hba.conf"
	[ ! -e "$dir/postgres/created" ] || return 0

	say "postgres: creating its database"
	rm -rf "$dir/postgres/data"
	(cd / && postgres_create) >"$dir/postgres.log" 2>&1 ||
		die_with_log postgres "could not create its database"
	touch "$dir/postgres/created"
}

# The single-user mode makes the role and the database, which saves starting a server for it.
postgres_create() {
	local password data=$dir/postgres/data
	password=$(cat "$dir/password")
	"${as_postgres[@]}" "$pg_bin/initdb" -D "$data" -U postgres --auth=trust \
		--encoding=UTF8 --locale=C.UTF-8 &&
		"${as_postgres[@]}" "$pg_bin/postgres" --single -D "$data" postgres <<-END
			ALTER ROLE postgres PASSWORD '$password'
			CREATE ROLE tyrattribution LOGIN PASSWORD '$password'
			CREATE DATABASE tyrattribution OWNER tyrattribution
		END
}

postgres_launch() {
	spawn postgres "${as_postgres[@]}" "$pg_bin/postgres" -D "$dir/postgres/data" \
		-c "config_file=$dir/postgres/postgresql.conf"
}

postgres_answers() { "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "$pg_port"; }

# A postmaster that was killed may leave, for a moment, itself as a zombie or a backend that has not noticed
# yet; PostgreSQL rightly refuses to start beside them.
postgres_may_retry() { grep -qE 'Is another postmaster|pre-existing shared memory block' "$dir/postgres.log"; }

# --- commands ------------------------------------------------------------------------------------

# Ends the wait early for a process that has ended.
answers_or_ended() {
	"${1}_answers" && return
	is_gone "$1" || return
	[ "$1" = postgres ] && postgres_may_retry || return 0
	: >"$dir/postgres.log"                  # keeps its predecessor's as postgres.log.1
	postgres_launch
	return 1
}

start_one() {
	local name=$1 began=$EPOCHREALTIME
	"${name}_prepare"
	if is_listening "$(port_of "$name")"; then
		die "$name: port $(port_of "$name") is taken by another process; end that one, or remove $dir/ports"
	fi
	"${name}_launch"
	poll "$start_seconds" answers_or_ended "$name" ||
		die_with_log "$name" "does not answer after $start_seconds s (TYR_START_SECONDS), but still runs"
	is_running "$name" || die_with_log "$name" "ended while it started"
	say "$name answers on 127.0.0.1:$(port_of "$name")" \
		"after $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms"
}

# The signal that asks for an orderly end without waiting for clients to leave.
stop_signal() { if [ "$1" = postgres ]; then echo INT; else echo TERM; fi; }

# Kills a process and its children (PostgreSQL's backends, which would else finish what they are at).
kill_hard() {
	local name=$1 pid=$2 children
	children=$(pgrep -P "$pid" || true)
	# shellcheck disable=SC2086
	kill -s KILL "$pid" $children 2>/dev/null || true
	poll 10 is_gone "$name" || die "$name does not end (pid $pid)"
}

stop_one() {
	local name=$1 pid
	if pid=$(pid_of "$name"); then
		kill -s "$(stop_signal "$name")" "$pid" || true
		kill -s CONT "$pid" || true             # a process halted by SIGSTOP could not end
		if ! poll "$stop_seconds" is_gone "$name"; then
			warn "$name did not end within $stop_seconds s; killing it"
			kill_hard "$name" "$pid"
		fi
	fi
	rm -f "$dir/$name.pid"
}

# Does one thing to all named services at once; fails if it failed for any.
for_each() {
	local job jobs=() name failed=0
	for name in "${names[@]}"; do
		"$1" "$name" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job" || failed=1
	done
	return $failed
}

start_if_needed() { is_running "$1" || start_one "$1"; }

kill_one() {
	local name=$1 signal=${2:-KILL} pid
	signal=${signal#SIG}
	pid=$(pid_of "$name") || die "$name does not run in $dir"
	if [ "$signal" = KILL ]; then
		kill_hard "$name" "$pid"
	else
		kill -s "$signal" "$pid"
	fi
}

status() {
	local name pid result=0
	for name in "${names[@]}"; do
		if pid=$(pid_of "$name"); then
			echo "$name runs on 127.0.0.1:$(port_of "$name") as pid $pid"
		else
			echo "$name does not run"
			result=3
		fi
	done
	return $result
}

check_names() {
	local name
	for name; do
		case $name in
		kafka | redis | postgres) ;;
		*) die "there is no service '$name'; there are ${all[*]}" ;;
		esac
	done
}

# Two callers with the same folder take turns.
lock() {
	exec 9>"$dir/lock"
	flock 9
}

main() {
	[ $# -ge 2 ] || usage
	local command=$1
	dir=$2
	shift 2
	[ "$command" != start ] || mkdir -p "$dir"
	[ -d "$dir" ] || die "there is no folder $dir"
	dir=$(cd "$dir" && pwd)
	read_ports
	names=("$@")
	[ $# -gt 0 ] || names=("${all[@]}")

	case $command in
	start)
		check_names "${names[@]}"
		lock
		choose_ports
		write_env
		for_each start_if_needed
		;;
	stop)
		check_names "${names[@]}"
		lock
		for_each stop_one
		;;
	kill)
		[ $# -ge 1 ] || usage
		check_names "$1"
		kill_one "$@"
		;;
	status)
		check_names "${names[@]}"
		status
		;;
	*) usage ;;
	esac
}

main "$@"
