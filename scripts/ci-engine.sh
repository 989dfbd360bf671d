# Functions for .ci/run: the system's packages that the tests need, and a container engine where none answers.
# shellcheck shell=bash

engine_folder=""
engine_pid=""

# Prints a package for each program that is missing. Whatever engine answers will do; without one it is Debian's.
missing_packages() {
    command -v mmdebstrap >/dev/null || echo mmdebstrap
    command -v chromium chromium-browser google-chrome >/dev/null || echo chromium
    command -v prometheus >/dev/null || echo prometheus # the server alone: nothing is started where no init runs
    docker info >/dev/null 2>&1 && return
    command -v iptables >/dev/null || echo iptables
    command -v dockerd >/dev/null && command -v docker >/dev/null || echo docker.io
    mountpoint --quiet /sys/fs/cgroup || command -v cgroupfs-mount >/dev/null || echo cgroupfs-mount
}

install_missing_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -eq 0 ] && return
    echo "ci: installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # One unreadable list of several is no reason to stop: the installation below fails where it matters.
    apt-get update -qq || true
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

start_engine() {
    if docker info >/dev/null 2>&1; then
        echo "ci: using the engine that runs"
        return
    fi
    mountpoint --quiet /sys/fs/cgroup || cgroupfs-mount
    engine_folder="$(mktemp -d "${TMPDIR:-/tmp}/brownout-engine-XXXXXX")"
    export DOCKER_HOST="unix://$engine_folder/docker.sock"
    echo "ci: starting an engine, its log is $engine_folder/log"
    dockerd --host "$DOCKER_HOST" --pidfile "$engine_folder/pid" \
        --data-root "$engine_folder/data" --exec-root "$engine_folder/exec" >"$engine_folder/log" 2>&1 &
    engine_pid=$!
    for _ in $(seq 120); do
        docker info >/dev/null 2>&1 && return
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.5
    done
    echo "ci: the engine did not start:" >&2
    tail -n 20 "$engine_folder/log" >&2
    return 1
}

# Stops what start_engine has started, and removes its data. The log stays where something has failed.
stop_engine() {
    local code=$?
    if [ -n "$engine_pid" ]; then
        kill "$engine_pid" 2>/dev/null || true
        wait "$engine_pid" 2>/dev/null || true
        rm -rf "$engine_folder/data" "$engine_folder/exec"
        [ "$code" -ne 0 ] || rm -rf "$engine_folder"
    fi
    return "$code"
}
