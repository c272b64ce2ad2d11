# Kafka from Maven's jars: KRaft, broker and controller in one JVM each.
# shellcheck shell=bash

KAFKA_LIBS=$ROOT/.tools/kafka/libs

kafka_prepare() {
    local name=$1 id data=$DIR/$1 voters='' replication min_isr=1 v
    id=$(number_of "$name")
    [[ -f $KAFKA_LIBS/.complete ]] || die "Kafka's jars are not in $KAFKA_LIBS" "infra/local/install cluster"
    replication=$((BROKERS < 3 ? BROKERS : 3))
    ((replication < 3)) || min_isr=2
    for ((v = 1; v <= BROKERS; v++)); do voters+=,$v@127.0.0.1:$(kafka_controller_port "$v"); done
    mkdir -p "$data"
    fill "$LOCAL/kafka/server.properties" ID="$id" VOTERS="${voters#,}" PORT="$(kafka_port "$id")" \
        CONTROLLER_PORT="$(kafka_controller_port "$id")" DATA="$data/log" REPLICATION="$replication" MIN_ISR="$min_isr" \
        >"$data/server.properties"
    if [[ ! -f $data/log/meta.properties ]]; then
        # One cluster id for all its brokers; 16 bytes in base64 is what Kafka asks for.
        [[ -f $DIR/kafka-cluster-id ]] || head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=' >"$DIR/kafka-cluster-id"
        # With the equals sign: one id in 64 begins with a dash, and would be taken for an option.
        kafka_java "$name" kafka.tools.StorageTool format "--cluster-id=$(<"$DIR/kafka-cluster-id")" \
            --config "$data/server.properties" >>"$LOGS/$name.log" 2>&1 ||
            die "Kafka could not format $data/log" "read $LOGS/$name.log"
    fi
    require_port_free "$(kafka_port "$id")" "$name"
    require_port_free "$(kafka_controller_port "$id")" "$name"
}

# 256 MB serves one broker at the budgets of DESIGN.md §14; three on one machine share less each.
kafka_heap() { echo "${PARLOR_KAFKA_HEAP:-$((BROKERS == 1 ? 256 : 192))m}"; }

kafka_java() {
    local name=$1
    shift
    java -Xms64m -Xmx128m -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$LOCAL/kafka/log4j2.xml" -cp "$KAFKA_LIBS/*" "$@"
}

kafka_exec() {
    local heap
    heap=$(kafka_heap)
    exec java "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
        -Djava.awt.headless=true "-Dlog4j2.configurationFile=$LOCAL/kafka/log4j2.xml" \
        -cp "$KAFKA_LIBS/*" kafka.Kafka "$DIR/$1/server.properties"
}

# The port opens long before the broker serves; this line comes when it is registered and serves.
# No pipe: under pipefail the writer's SIGPIPE, once grep has seen enough, would read as "not ready".
kafka_ready() { grep -q 'Kafka Server started' < <(log_since_start "$1"); }

# A clean shutdown writes its recovery points; without it the next start scans its logs.
kafka_stop() { stop_process "$1" 30; }
