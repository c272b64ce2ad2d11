# Redis: one server, append-only file.
# shellcheck shell=bash

redis_prepare() {
    have redis-server || die "redis-server is not installed" "infra/local/install cluster"
    mkdir -p "$DIR/redis"
    fill "$LOCAL/redis/redis.conf" PORT="$REDIS_PORT" DATA="$DIR/redis" >"$DIR/redis/redis.conf"
    require_port_free "$REDIS_PORT" redis
}

redis_exec() { exec redis-server "$DIR/redis/redis.conf"; }

redis_ready() { [[ $(timeout 2 redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping 2>/dev/null) == PONG ]]; }

redis_stop() { stop_process "$1" 15; }
