# shellcheck shell=bash
# A second machine before the network: the supplier reaches it alone, and it reaches nobody; the bastion dials out to it.
front="$work/front"
say "two machines: a front, to which the relay beside the gateway dials out"
copied front "$front"
boot front "$front"
cable front eth0 198.51.100.1/24 supplier eth1 198.51.100.77/24
cable front eth1 172.16.7.1/24 bastion eth2 172.16.7.2/24
logged_in
followed relay
mkdir "$front$admin/front" && cp "$home"/lock/front/* "$front$admin/front/" && rm -r "$home/lock"
# shellcheck disable=SC2046  # the way in is several words
follow front -- $(enter front) bash --norc
relay=ecluse-airlock-relay.service
until_true 30 active "$relay" || fail "the relay does not run"
for unit in "bastion $relay" "front ecluse-airlock-front.service"; do
    # shellcheck disable=SC2086  # a machine and a unit
    set -- $unit
    number=$(in_machine "$1" systemctl show -P MainPID "$2")
    in_machine "$1" ps -o user:32=,args= -p "$number"
    in_machine "$1" grep -x 'CapEff:.0000000000000000' "/proc/$number/status" || fail "$2 has rights"
    in_machine "$1" systemd-analyze security --no-pager --threshold=20 "$2" | tail -1
done
in_machine front sh -c '! ls /var/lib/ecluse/* 2>/dev/null' || fail "the front holds an installation"

say "a client's ssh comes through the lock to the device; the front reaches neither the device nor the gateway"
through() { sed 's/@bastion\.hospital/@front.hospital/g' "$tree/docs/operator.md" >"$work/page"; page="$work/page" technician "uname -n; exit"; }
# from where she comes in now, and the gateway knows it (C2)
inside env "${at_home[@]}" ecluse suppliers sites Imagix --site "Lyon,FR,192.0.2.0/24" --site "Paris,FR,198.51.100.0/24"
inside env "${at_home[@]}" ecluse ssh-config >"$root/home/alice/bastion-known-hosts"
grep front.hospital.example "$root/home/alice/bastion-known-hosts" || fail "the host keys are not certified for the front"
through
inside env "${at_home[@]}" ecluse sessions list --past | tail -1
for place in 10.9.1.20/22 172.16.7.2/2222; do
    if in_machine front timeout 5 bash -c "</dev/tcp/$place" 2>/dev/null; then fail "the front reaches $place"; fi
done

say "the front audits itself behind its walls, and its report is taken inside"
in_machine front systemctl start ecluse-airlock-audit.service ||
    { in_machine front journalctl --no-pager -u ecluse-airlock-audit.service | tail -40; fail "it finds something to mend"; }
in_machine front systemctl list-timers --no-pager ecluse-airlock-audit.timer | grep ecluse-airlock-audit.service || fail "no timer runs it"
in_machine front cat /var/lib/ecluse-airlock/self-audit.json >"$home/front.json"
inside ecluse self-audit report "$admin/front.json" || fail "its report is not taken"
if inside ecluse self-audit report "$admin/front.json"; then fail "its report is taken twice"; fi

say "the relay, then the front, is killed: both come back, and the way with them"
before=$(pid "$relay")
inside kill -s KILL "$before"
until_true 60 another "$relay" "$before" || fail "the relay is not started again"
in_machine front systemctl kill -s KILL ecluse-airlock-front.service
until_true 60 in_machine front systemctl is-active --quiet ecluse-airlock-front.service || fail "the front is not started again"
through
halt front
