# Parlor's own processes: gateways, delivery-workers, persisters, all the one binary.
# shellcheck shell=bash

PARLOR_BIN=${PARLOR_BIN:-}

parlor_binary() { echo "${PARLOR_BIN:-$ROOT/target/fast/parlor}"; }

# PARLOR_BIN names a binary built otherwise (a build with a fault in it, another version): then nothing is built here.
parlor_build() {
    [[ -z $PARLOR_BIN ]] || return 0
    step "building target/fast/parlor (the first time takes some minutes)"
    make --no-print-directory -C "$ROOT" binary ||
        die "parlor does not build" "read the compiler's message above, then run this command again"
}

# What every parlor process here is told. DIR/env adds to it or overrides it.
parlor_environment() {
    # These steer the scripts; parlor would refuse them as unknown settings.
    local name
    for name in $(compgen -e PARLOR_TEST_) $(compgen -e PARLOR_CLUSTER_) \
        PARLOR_BIN PARLOR_KAFKA_HEAP PARLOR_POSTGRES_CONNECTIONS; do
        unset "$name"
    done
    export PARLOR_MODE=development
    PARLOR_KAFKA__BROKERS=$(kafka_bootstrap)
    PARLOR_POSTGRES__URL=$(postgres_url)
    PARLOR_REDIS__URL=$(redis_url)
    export PARLOR_KAFKA__BROKERS PARLOR_POSTGRES__URL PARLOR_REDIS__URL
    export PARLOR_FILES__FOLDER=$DIR/files
    export PARLOR_KAFKA__REPLICATION=$((BROKERS < 3 ? BROKERS : 3))
    # nginx is here too: what it says of a client's address is believed.
    export PARLOR_HTTP__TRUSTED_PROXIES=127.0.0.1
    if [[ $PROFILE == load ]]; then
        export PARLOR_LIMITS__MESSAGE=off PARLOR_LIMITS__FILE=off PARLOR_LIMITS__ROOM_CREATE=off PARLOR_LIMITS__TYPING=off
        export PARLOR_LIMITS__JOIN=off PARLOR_LIMITS__ROOM_CHANGE=off PARLOR_LIMITS__HISTORY=off PARLOR_LIMITS__EVENT=off
        export PARLOR_LIMITS__PUSH=off PARLOR_LIMITS__KEYS=off PARLOR_LIMITS__KEY_CLAIM=off
        export PARLOR_LIMITS__LOGIN=off PARLOR_LIMITS__REGISTER=off PARLOR_LIMITS__SPAM=0s
    fi
    set -a
    # shellcheck source=/dev/null
    [[ ! -f $DIR/env ]] || source "$DIR/env"
    set +a
}

parlor_migrate() {
    printf '  %-20s … ' migrations
    local begun=$SECONDS binary
    binary=$(parlor_binary)
    if ! (parlor_environment && exec "$binary" migrate) </dev/null >"$LOGS/migrate.log" 2>&1; then
        say failed
        tail -n 25 "$LOGS/migrate.log" | sed 's/^/    /'
        die "parlor migrate failed" "read $LOGS/migrate.log" \
            "if the data is of another version, throw it away: $(command_hint clean)"
    fi
    say "done ($((SECONDS - begun)) s)"
}

# Where a process listens: a gateway for clients, the others for health and metrics.
parlor_port() { "$(kind_of "$1" | tr - _)_port" "$(number_of "$1")"; }

parlor_prepare() {
    [[ -x $(parlor_binary) ]] || die "$(parlor_binary) is missing" "cargo build --profile fast -p parlor"
    require_port_free "$(parlor_port "$1")" "$1"
}

parlor_exec() {
    local kind binary listen
    kind=$(kind_of "$1") binary=$(parlor_binary) listen=127.0.0.1:$(parlor_port "$1")
    parlor_environment
    exec "$binary" "$kind" --name "$1" --listen "$listen"
}

parlor_ready() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$(parlor_port "$1")/health/ready"; }

# A gateway drains its sockets at a pace, in 30 s at most.
parlor_stop() { stop_process "$1" 35; }
