# PostgreSQL: a cluster of its own beside Debian's, role and database `parlor`, password `parlor`.
# shellcheck shell=bash

postgres_bin() {
    local newest
    newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
    if [[ -x $newest ]]; then dirname "$newest"; else dirname "$(command -v postgres)"; fi 2>/dev/null
}

# PostgreSQL refuses to run as root, so root hands it to the user that the package made.
as_postgres() {
    if ((EUID == 0)); then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}

# Its data belongs under DIR, but the user `postgres` cannot enter a home that is closed to others.
postgres_data() {
    if [[ -f $DIR/postgres.path ]]; then
        cat "$DIR/postgres.path"
    elif as_postgres test -x "$DIR"; then
        echo "$DIR/postgres"
    else
        echo "/var/lib/parlor-local/$(cksum <<<"$DIR" | cut -d ' ' -f 1)"
    fi
}

postgres_prepare() {
    local bin data password
    bin=$(postgres_bin)
    [[ -n $bin && -x $bin/initdb ]] || die "PostgreSQL is not installed" "infra/local/install cluster"
    data=$(postgres_data)
    [[ $data == "$DIR"/* ]] || warn "the user postgres may not enter $DIR: PostgreSQL's data is in $data"
    echo "$data" >"$DIR/postgres.path"
    mkdir -p "$data"
    ((EUID != 0)) || chown postgres:postgres "$data"
    chmod 700 "$data"
    if [[ ! -f $data/.ready ]]; then
        # An initdb that was interrupted leaves a directory it would refuse.
        find "$data" -mindepth 1 -delete
        password=$(mktemp)
        echo parlor >"$password"
        ((EUID != 0)) || chown postgres "$password"
        # The path of the password file is absolute and initdb changes nothing outside of $data.
        (cd / && as_postgres "$bin/initdb" --pgdata "$data" --username postgres --pwfile "$password" \
            --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8) >>"$LOGS/postgres.log" 2>&1 ||
            die "initdb failed in $data" "read $LOGS/postgres.log"
        rm -f "$password"
        touch "$data/.ready"
    fi
    fill "$LOCAL/postgres/postgresql.conf" PORT="$POSTGRES_PORT" \
        MAX_CONNECTIONS="${PARLOR_POSTGRES_CONNECTIONS:-100}" >"$data/postgresql.conf"
    require_port_free "$POSTGRES_PORT" postgres
    # A postmaster that was killed looks alive to the lock file it left until init has buried it: a second or two.
    local killed tries=0
    killed=$(head -n 1 "$data/postmaster.pid" 2>/dev/null || true)
    while [[ -n $killed && -e /proc/$killed && -z $(started_at "$killed") ]] && ((tries++ < 100)); do sleep 0.1; done
}

postgres_exec() {
    local bin data
    bin=$(postgres_bin) data=$(postgres_data)
    cd /
    if ((EUID == 0)); then
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$data"
    fi
    exec "$bin/postgres" -D "$data"
}

postgres_ready() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT"; }

# After the first start: a role that may make databases (tests take one each) but is no superuser, so that a
# migration which needs more than an ordinary owner's rights fails here and not at the first customer.
postgres_after_start() {
    PGOPTIONS='--client-min-messages=warning' PGPASSWORD=parlor "$(postgres_bin)/psql" -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d postgres -qAt -v ON_ERROR_STOP=1 <<'SQL'
SELECT $$CREATE ROLE parlor LOGIN CREATEDB PASSWORD 'parlor'$$
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'parlor') \gexec
SELECT 'CREATE DATABASE parlor OWNER parlor'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'parlor') \gexec
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
SQL
}

# INT is PostgreSQL's fast shutdown: open sessions are ended, the checkpoint is written.
postgres_stop() { stop_process "$1" 30 INT; }
