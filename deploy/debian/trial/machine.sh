# shellcheck shell=bash
# Machines of a trial: Debian roots that systemd-nspawn boots, the networks between them, and the end of all of it.
# Read by ../try, which sets $work and $language.

declare -A init=() spawned=()
networks=() children=()
# the home of who administers each of them
admin=/root
# what an administrator's shell knows once the page has said it: where the API is
at_home=()
# whoever follows the page sits at a terminal in its language; what scenes ask for themselves is in English
spoken=C.UTF-8
if [ "$language" = fr ]; then spoken=fr_FR.UTF-8; fi
clean=(env -C "$admin" -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$admin" LANG=C.UTF-8 TERM=dumb EDITOR=editor)

say() { printf '\n=== %s (%s s)\n' "$*" "$SECONDS"; }
fail() { printf '\n!!! %s\n' "$*" >&2; exit 1; }
# until_true SECONDS COMMAND...: waits for a condition
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $deadline ] || return 1; sleep 0.3; done
}

# quietly COMMAND...: what it says is of interest where it fails
quietly() { "$@" >"$work/said" 2>&1 || { cat "$work/said"; fail "$*"; }; }

# prepared ROOT: what every Debian has, and the package with what it wants, fetched but not installed
prepared() {
    local root=$1
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # nothing of what is installed here starts before the machine does
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" apt-get -qq update
    quietly chroot "$root" apt-get -qq -y --no-install-recommends install systemd systemd-sysv dbus openssh-server \
        openssh-client procps
    if [ "$language" = fr ]; then  # as Debian's installer has it
        quietly chroot "$root" apt-get -qq -y --no-install-recommends install locales
        chroot "$root" localedef -i fr_FR -f UTF-8 "$spoken"
    fi
    cp "$package" "$root$admin/"
    # a machine reaches no network: what its page installs later is in apt's cache
    quietly chroot "$root" apt-get -qq -y --download-only install "$admin/$(basename "$package")" nftables postgresql chrony
    rm "$root/usr/sbin/policy-rc.d"
    chroot "$root" systemctl -q disable ssh.service
    printf '127.0.0.1 localhost\n192.0.2.1 bastion bastion.hospital.example\n198.51.100.1 front front.hospital.example\n172.16.7.1 front-inside.hospital.example\n' \
        >"$root/etc/hosts"
}
# copied NAME ROOT: a machine's disk, of what was prepared
copied() {
    cp -a "$work/debian" "$2"
    echo "$1" >"$2/etc/hostname"
    : >"$2/etc/machine-id"  # one of its own, at its first boot
}

# boot NAME ROOT: a machine of its own, without a network until it is cabled
boot() {
    local name=$1 root=$2
    # as on a machine of iron, its clock can be asked about (adjtimex); that nobody sets it, the missing capability sees to
    systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --private-network --console=passive \
        --system-call-filter=adjtimex --machine="ecluse-try-$$-$name" </dev/null >"$work/console-$name" 2>&1 &
    spawned[$name]=$!
    found() { init[$name]=$(pgrep -P "${spawned[$name]}" -o); }
    until_true 20 found || fail "systemd-nspawn did not start: $(cat "$work/console-$name")"
    until_true 60 in_machine "$name" systemctl is-active multi-user.target || fail "$name does not come up"
}
# halt NAME: as who presses the button
halt() {
    local pid=${init[$1]:-}
    unset "init[$1]"
    if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then return 0; fi
    kill -s RTMIN+4 "$pid"
    until_true 20 gone "$pid" || kill -KILL "$pid"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
enter() { echo nsenter -t "${init[$1]}" -m -u -i -n -p -C --root --wd=/ -- "${clean[@]}" LANG="$spoken"; }
in_machine() { local name=$1; shift; nsenter -t "${init[$name]}" -m -u -i -n -p -C --root --wd=/ -- "${clean[@]}" "$@"; }
inside() { in_machine bastion "$@"; }

# network NAME: a network place without a machine; who works there uses the files of the bastion's machine
network() {
    ip netns add "try$$-$1"
    networks+=("try$$-$1")
    ip -n "try$$-$1" link set lo up
}
# at NETWORK COMMAND...: from the network place NETWORK, on the bastion's files
at() {
    local place=/run/netns/try$$-$1
    shift
    nsenter -t "${init[bastion]}" -m -u -i -p -C --net="$place" --root --wd=/ -- "${clean[@]}" "$@"
}
# place NAME: what ip calls it, a machine's first process or a network's name
place() { [ -n "${init[$1]:-}" ] && echo "${init[$1]}" || echo "try$$-$1"; }
# cable NAME INTERFACE ADDRESS NAME INTERFACE ADDRESS: a cable between two of them
cable() {
    ip link add "t$$a" type veth peer name "t$$b"
    plug "t$$a" "$1" "$2" "$3"
    plug "t$$b" "$4" "$5" "$6"
}
plug() {
    ip link set "$1" netns "$(place "$2")" name "$3"
    local ip=(ip netns exec "try$$-$2" ip)
    if [ -n "${init[$2]:-}" ]; then ip=(nsenter -t "${init[$2]}" -n ip); fi
    "${ip[@]}" address add "$4" dev "$3"
    "${ip[@]}" link set "$3" up
}
# beside COMMAND...: in the background until the end
beside() { "$@" & children+=($!); }

# follow SECTION [ANSWER=…]... -- WAY...: the page, word for word, in $language
follow() {
    local section=$1 told=()
    shift
    while [ "$1" != -- ]; do told+=(--answer "$1"); shift; done
    "$tree/.venv/bin/python" "$tree/tools/follow" "${page:-$tree/docs/operator.md}" "$section-$language" "${people:-$work/people.json}" \
        --answer "[Y/n]=y" --answer "[O/n]=o" "${told[@]}" "$@"
}
# followed SECTION [ANSWER=…]...: the same as root on the bastion
followed() {
    local told=("${@:2}")
    # shellcheck disable=SC2046  # the way in is several words
    follow "$1" "${told[@]}" -- $(enter bastion) "${at_home[@]}" bash --norc
}
# logged_in: Denise's log-in at the command line, which later parts of the page begin with
logged_in() {
    printf '<!-- follow: login-%s -->\n```sh\necluse login --login dsi\n```\n<!-- followed -->\n' "$language" >"$work/login"
    page="$work/login" followed login
}
# technician WHAT: Alice's first session, in which she types WHAT (!PROGRAM: what that prints)
technician() {
    follow technician "maint@bastion=$1" -- nsenter -t "${init[bastion]}" -m -u -i -p -C --net="/run/netns/try$$-supplier" \
        --root --wd=/ -- "${clean[@]}" LANG="$spoken" runuser -u alice -- env HOME=/home/alice bash --norc -c 'cd; exec bash --norc'
}
# session_begins: another session of Alice's, open until session_ends; it says at its end that it lived on
session_begins() {
    rm -f "$work/entered" "$work/leave"
    technician "!$work/held" >"$work/session" 2>&1 &
    session=$!
    until_true 90 test -e "$work/entered" || { cat "$work/session"; fail "no session opens"; }
}
session_ends() {
    touch "$work/leave"
    wait "$session" || { cat "$work/session"; fail "the session did not live on"; }
    grep -q '^still-42' <(tr -d '\r' <"$work/session") || { cat "$work/session"; fail "the session answers no more"; }
}

# state: what no act of the operator's may change, a line a file
state() {
    inside sh -c 'cd /var/lib/ecluse && sha256sum ecluse.toml keys/host_ed25519 keys/trace-signing.pem tls/ca.pem;
        find traces -name "manifest*" | sort | xargs -r sha256sum'
}
# lost STATE: what of it has changed or gone since; a trace that was sealed meanwhile is one more
lost() { comm -23 <(sort <<<"$1") <(state | sort); }
pid() { inside systemctl show -P MainPID "$1"; }
active() { inside systemctl is-active --quiet "$@"; }
# another UNIT PID: it runs, as another process than PID
another() { local now; now=$(pid "$1"); [ "$now" != 0 ] && [ "$now" != "$2" ] && active "$1"; }

end() {
    local status=$? name
    if [ "$status" != 0 ] && [ -n "${init[bastion]:-}" ]; then
        inside journalctl --no-pager --lines=60 --unit='ecluse*' || true
    fi
    touch "$work/leave"  # who waits in a session stops waiting
    # with their own children: an nsenter that is left stops with the machine, and holds it
    for name in "${children[@]}" ${session:-}; do pkill -P "$name" || true; kill "$name" 2>/dev/null || true; done
    for name in "${!init[@]}"; do halt "$name"; done
    for name in "${networks[@]}"; do ip netns delete "$name" || true; done
    if [ -z "${ECLUSE_KEEP:-}" ]; then rm -rf --one-file-system "$work"; else echo "kept: $work"; fi
}
