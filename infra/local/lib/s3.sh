# S3Proxy from Maven's jars: one bucket, `parlor`, whose objects are files in a folder. For tests alone (WITH_S3=yes).
# shellcheck shell=bash

S3_LIBS=$ROOT/.tools/s3/libs

s3_prepare() {
    [[ -f $S3_LIBS/.complete ]] || die "S3Proxy's jars are not in $S3_LIBS" "infra/local/install servers"
    # A folder that others may read is a bucket that anybody may read.
    mkdir -p "$DIR/s3/data/parlor" && chmod 700 "$DIR/s3/data/parlor"
    fill "$LOCAL/s3/s3proxy.conf" PORT="$S3_PORT" DATA="$DIR/s3/data" >"$DIR/s3/s3proxy.conf"
    require_port_free "$S3_PORT" s3
}

s3_exec() {
    # The same for its objects.
    umask 077
    exec java -Xms32m -Xmx128m -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
        "-Dlogback.configurationFile=$LOCAL/s3/logback.xml" -cp "$S3_LIBS/*" \
        org.gaul.s3proxy.Main --properties "$DIR/s3/s3proxy.conf"
}

# Nobody may ask without a signature: 403 is an answer.
s3_ready() { [[ $(curl -sS -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$S3_PORT/parlor" 2>/dev/null) == 403 ]]; }

s3_stop() { stop_process "$1" 15; }
