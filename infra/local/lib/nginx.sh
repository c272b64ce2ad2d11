# nginx in front of the gateways, unprivileged, with everything it writes under DIR/nginx.
# shellcheck shell=bash

nginx_bin() { PATH=$PATH:/usr/sbin command -v nginx; }

nginx_prepare() {
    nginx_bin >/dev/null || die "nginx is not installed" "infra/local/install cluster"
    nginx_configure "$DIR/nginx"
    require_port_free "$NGINX_PORT" nginx
}

# nginx_configure FOLDER: writes FOLDER/nginx.conf; also what `infra/check` tests.
nginx_configure() {
    local folder=$1 id newcomers='' gateways='' routes='' user='' files
    mkdir -p "$folder/tmp"
    for ((id = 1; id <= GATEWAYS; id++)); do
        local address
        address=127.0.0.1:$(gateway_port "$id")
        newcomers+="        server $address max_fails=0;"$'\n'
        gateways+="    upstream gateway-$id { server $address; keepalive 16; }"$'\n'
        routes+="        \"~^gateway-$id\\.\" gateway-$id;"$'\n'
    done
    # Workers of a root-owned nginx would run as `nobody`, which may not enter a closed home.
    ((EUID != 0)) || user='user root;'
    files=$(raise_open_files && ulimit -n)
    fill "$ROOT/infra/nginx/cluster.conf.template" USER="$user" FOLDER="$folder" PORT="$NGINX_PORT" FILES="$files" \
        CONNECTIONS=$((files < 40960 ? files : 40960)) NEWCOMERS="${newcomers%$'\n'}" GATEWAYS="${gateways%$'\n'}" \
        ROUTES="${routes%$'\n'}" >"$folder/nginx.conf"
}

nginx_exec() { exec "$(nginx_bin)" -p "$DIR/nginx" -c "$DIR/nginx/nginx.conf" -e stderr; }

nginx_ready() { [[ $(curl -fsS -m 2 "http://127.0.0.1:$NGINX_PORT/nginx-health") == ok ]]; }

nginx_stop() { stop_process "$1" 10; }
