# Sourced by the scripts that build and test: what they need of Debian 12, installed if root runs them.
packages="gcc g++ cmake ninja-build ccache pkg-config libc6-dev libjemalloc-dev libxxhash-dev libpg-query-dev
libprotobuf-c-dev protobuf-c-compiler libssl-dev liblz4-dev libzstd-dev liburing-dev libicu-dev libpcre2-dev libcunit1-dev
libbenchmark-dev systemtap-sdt-dev tzdata procps openssl gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
postgresql-15 postgresql-client-15 libpq-dev python3 nodejs npm"

install_packages() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
    missing=
    for p in $packages; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "missing packages:$missing"
        return 0
    fi
    echo "installing:$missing"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # Debian's package would start a server of its own on port 5432, where quickstart.sh wants ours.
    if [ ! -e /etc/postgresql-common/createcluster.conf ] && ! command -v pg_createcluster >/dev/null; then
        mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    fi
    apt-get update -qq || true
    # One by one on failure: an optional package that is not to be had must not stop the rest.
    apt-get install -y -qq --no-install-recommends $missing ||
        for p in $missing; do
            apt-get install -y -qq --no-install-recommends "$p" || echo "could not install $p"
        done
}
