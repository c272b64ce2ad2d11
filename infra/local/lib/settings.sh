# Where a local cluster lives, what it is made of and which ports it uses.
#
#   PARLOR_CLUSTER_DIR    its data, logs and pids        (default .parlor/cluster)
#   PARLOR_CLUSTER_PORTS  added to every port below      (default 0)
#   BROKERS               Kafka brokers, 1 or 3          (default 1)
#   PROFILE               default, or load: no rate limits
#   WITH_S3               yes: a server that speaks S3 too  (default no)
#
# A second cluster beside a user's (the tests' own) takes another directory and, say, PARLOR_CLUSTER_PORTS=5000.
# What `up` was called with is kept in DIR/settings, so that later commands need only the directory.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
LOCAL=$ROOT/infra/local

DIR=${PARLOR_CLUSTER_DIR:-$ROOT/.parlor/cluster}
[[ $DIR == /* ]] || DIR=$ROOT/$DIR
LOGS=$DIR/log

GATEWAYS=3
DELIVERY_WORKERS=2
PERSISTERS=2

# Reads the settings of a cluster that exists; what the caller exports must not contradict them.
settings_load() {
    local want_brokers=${BROKERS:-} want_profile=${PROFILE:-} want_ports=${PARLOR_CLUSTER_PORTS:-} want_s3=${WITH_S3:-}
    PORTS=${want_ports:-0} BROKERS=${want_brokers:-1} PROFILE=${want_profile:-default} WITH_S3=no
    # shellcheck source=/dev/null
    [[ ! -f $DIR/settings ]] || source "$DIR/settings"
    # Kafka's data is laid out for its number of brokers: that one cannot change under it.
    if [[ -n $want_brokers && $want_brokers != "$BROKERS" ]]; then
        die "the cluster in $DIR was made with BROKERS=$BROKERS, not $want_brokers" \
            "make cluster-clean (removes its data), then BROKERS=$want_brokers make cluster"
    fi
    if [[ -n $want_ports && $want_ports != "$PORTS" ]]; then
        die "the cluster in $DIR was made with PARLOR_CLUSTER_PORTS=$PORTS, not $want_ports" \
            "give the new one a PARLOR_CLUSTER_DIR of its own, or make cluster-clean first"
    fi
    PROFILE=${want_profile:-$PROFILE} WITH_S3=${want_s3:-$WITH_S3}
    [[ $BROKERS == 1 || $BROKERS == 3 ]] || die "BROKERS=$BROKERS: it is 1 or 3" "BROKERS=3 make cluster"
    [[ $PROFILE == default || $PROFILE == load ]] || die "PROFILE=$PROFILE: it is default or load" "PROFILE=load make cluster"
    [[ $PORTS =~ ^[0-9]+$ ]] || die "PARLOR_CLUSTER_PORTS=$PORTS is not a number" "PARLOR_CLUSTER_PORTS=5000"
    ports_assign
}

settings_save() {
    mkdir -p "$DIR" "$LOGS" "$DIR/run"
    printf 'BROKERS=%s\nPROFILE=%s\nPORTS=%s\nWITH_S3=%s\n' "$BROKERS" "$PROFILE" "$PORTS" "$WITH_S3" >"$DIR/settings"
}

# All below 32768, where Linux begins to hand out ports to clients: a client's port would block a server's start.
ports_assign() {
    NGINX_PORT=$((8080 + PORTS))
    REDIS_PORT=$((16379 + PORTS))
    POSTGRES_PORT=$((15432 + PORTS))
    S3_PORT=$((19000 + PORTS))
}
gateway_port() { echo $((3000 + $1 + PORTS)); }
delivery_worker_port() { echo $((9100 + $1 + PORTS)); }
persister_port() { echo $((9110 + $1 + PORTS)); }
kafka_port() { echo $((19090 + 2 * $1 + PORTS)); }
kafka_controller_port() { echo $((19091 + 2 * $1 + PORTS)); }

# 127.0.0.1:19092,127.0.0.1:19094,…
kafka_bootstrap() {
    local id list=
    for ((id = 1; id <= BROKERS; id++)); do list+=,127.0.0.1:$(kafka_port "$id"); done
    echo "${list#,}"
}
postgres_url() { echo "postgres://parlor:parlor@127.0.0.1:$POSTGRES_PORT/parlor"; }
# The bucket with its key: http://id:secret@host:port/bucket.
s3_url() { echo "http://parlor:parlor-files@127.0.0.1:$S3_PORT/parlor"; }
redis_url() { echo "redis://127.0.0.1:$REDIS_PORT/0"; }

# Every process by name, in the order they start.
server_names() {
    local id
    for ((id = 1; id <= BROKERS; id++)); do echo "kafka-$id"; done
    printf '%s\n' redis postgres
    [[ $WITH_S3 != yes ]] || echo s3
}
parlor_names() {
    local id
    for ((id = 1; id <= PERSISTERS; id++)); do echo "persister-$id"; done
    for ((id = 1; id <= DELIVERY_WORKERS; id++)); do echo "delivery-worker-$id"; done
    for ((id = 1; id <= GATEWAYS; id++)); do echo "gateway-$id"; done
}
all_names() {
    server_names
    parlor_names
    echo nginx
}

# kafka-2 → kafka, 2; redis → redis, (empty).
kind_of() { echo "${1%-[0-9]*}"; }
number_of() { [[ ! $1 =~ -([0-9]+)$ ]] || echo "${BASH_REMATCH[1]}"; }

# fill TEMPLATE key=value… : the template with each @KEY@ replaced.
fill() {
    local template=$1 text pair
    shift
    text=$(<"$template")
    for pair in "$@"; do text=${text//@${pair%%=*}@/${pair#*=}}; done
    printf '%s\n' "$text"
}
