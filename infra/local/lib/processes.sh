# Daemons: each in a session of its own, its output in one log file, its pid in DIR/pids.
#
# DIR/pids     lines `name pid`, for people and tests
# DIR/run/NAME `pid starttime log-size`: the start time tells our process from a stranger that got its pid later,
#              the log size where this start's lines begin
# shellcheck shell=bash

# The kernel's start time of a process, in clock ticks since boot; nothing if it is gone or a zombie.
started_at() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    read -ra fields <<<"${stat##*) }" # the name before it may hold spaces
    [[ ${fields[0]} == Z || ${fields[0]} == X ]] || echo "${fields[19]}"
}

# The pid of a running process of this cluster; nothing, and 1, if it does not run.
pid_of() {
    local pid start rest
    [[ -f $DIR/run/$1 ]] || return 1
    read -r pid start rest <"$DIR/run/$1"
    [[ -n $start && $(started_at "$pid") == "$start" ]] || return 1
    echo "$pid"
}

# pids_write NAME [PID]: replaces or drops one line of DIR/pids. A lock, since several commands may run at once;
# a rename, since readers take none.
pids_write() {
    (
        flock 9
        { grep -v "^$1 " "$DIR/pids" 2>/dev/null || true; } >"$DIR/pids.new"
        [[ -z ${2:-} ]] || echo "$1 $2" >>"$DIR/pids.new"
        mv "$DIR/pids.new" "$DIR/pids"
    ) 9>"$DIR/pids.lock"
}

# spawn NAME: runs `cluster exec NAME` detached; it becomes the server by exec, so its pid is the server's.
spawn() {
    local name=$1 log=$LOGS/$1.log size pid
    touch "$log"
    size=$(stat -c %s "$log")
    setsid "$LOCAL/cluster" exec "$name" </dev/null >>"$log" 2>&1 8>&- &
    pid=$!
    disown "$pid"
    echo "$pid $(started_at "$pid") $size" >"$DIR/run/$name"
    pids_write "$name" "$pid"
}

# What NAME has logged since its latest start.
log_since_start() {
    local pid start size
    read -r pid start size <"$DIR/run/$1"
    tail -c "+$((size + 1))" "$LOGS/$1.log"
}

# wait_ready NAME SECONDS: until NAME answers; says so, or shows why not.
wait_ready() {
    local name=$1 limit=$2 begun=$SECONDS
    printf '  %-20s … ' "$name"
    until is_ready "$name"; do
        if ! pid_of "$name" >/dev/null; then fail_start "$name" "it ended after $((SECONDS - begun)) s"; fi
        if ((SECONDS - begun >= limit)); then fail_start "$name" "not ready after $limit s"; fi
        sleep 0.1
    done
    say "up ($((SECONDS - begun)) s)"
}

fail_start() {
    say "failed: $2"
    say ""
    say "the last lines of $LOGS/$1.log:"
    log_since_start "$1" | tail -n 25 | sed 's/^/    /'
    die "$1 did not start: $2" "read $LOGS/$1.log, mend it, then: $(command_hint start "$1")" \
        "or throw the cluster's data away: $(command_hint clean)"
}

# command_hint start NAME: the command a user would type for this cluster.
command_hint() {
    local prefix=
    [[ $DIR == "$ROOT/.parlor/cluster" ]] || prefix="PARLOR_CLUSTER_DIR=$DIR "
    echo "${prefix}infra/local/cluster $*"
}

# require_port_free PORT NAME: an address in use would otherwise show as a puzzling log.
require_port_free() {
    local holder
    holder=$(ss -Hltnp "sport = :$1")
    [[ -z $holder ]] || die "$2 needs port $1, but it is taken: $(sed -n 's/.*users:((\("[^)]*\)).*/\1/p;q' <<<"$holder")" \
        "stop that process, or use other ports: PARLOR_CLUSTER_DIR=.parlor/other PARLOR_CLUSTER_PORTS=5000 make cluster"
}

# What is left of a process that died without ceremony.
clear_remains() {
    local pid start rest
    [[ -f $DIR/run/$1 ]] || return 0
    read -r pid start rest <"$DIR/run/$1"
    [[ -z $(started_at "$pid") ]] || return 0
    # Its children share its session, and nginx's hold the port. The kernel gives a number to no new process while a
    # group still bears it, so with its leader gone the group is ours.
    kill -KILL -- "-$pid" 2>/dev/null || true
}

# stop_process NAME SECONDS [SIGNAL]: asks, waits, then kills.
stop_process() {
    local name=$1 pid begun=$SECONDS limit=$2 signal=${3:-TERM}
    if pid=$(pid_of "$name"); then
        printf '  %-20s … ' "$name"
        kill "-$signal" "$pid" 2>/dev/null || true
        until ! pid_of "$name" >/dev/null; do
            if ((SECONDS - begun >= limit)); then
                printf 'no end after %s s, killed … ' "$limit"
                kill -KILL "$pid" 2>/dev/null || true
                limit=$((limit + 10))
            fi
            sleep 0.1
        done
        say "stopped ($((SECONDS - begun)) s)"
    fi
    clear_remains "$name"
    rm -f "$DIR/run/$name"
    pids_write "$name"
}
