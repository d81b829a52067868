# shellcheck shell=bash
# Between the suppliers' network (eth0) and the admin zone (eth1), with the filter of the page.
cat >"$home/site.nft" <<'SITE'
add element inet ecluse gateways { ecluse-gateway }
add element inet ecluse front_interfaces { "eth0" }
add element inet ecluse front_ports { 2222 }
add element inet ecluse front4 { 192.0.2.0/24 }
add element inet ecluse services4 { 10.9.1.20 . udp . 123, 172.16.7.1 . tcp . 7022 }
SITE
# what the operator types in her editor
printf '#!/bin/sh\nexec cp ~/site.nft "$1"\n' >"$root/usr/local/bin/editor" && chmod 755 "$root/usr/local/bin/editor"

say "the network filter, as the page says it"
inside runuser -u ecluse-gateway -- bash -c '</dev/tcp/10.9.1.20/22' || fail "without the filter the scanner should be reached"
logged_in
followed network
for way in open4 open6; do inside nft list set inet ecluse "$way" | grep elements && fail "something is open"; done
broker=$(pid ecluse-flows.service)
[ "$broker" != 0 ] || fail "the flow broker does not run"
inside grep -xE 'CapEff:.0000000000001000' "/proc/$broker/status" || fail "the broker has another right than CAP_NET_ADMIN"
inside grep -xE 'CapEff:.0000000000000000' "/proc/$(pid ecluse-gateway.service)/status" || fail "the gateway has rights"

say "closed while no session is open, to everybody"
reaches() { timeout 5 "$@" bash -c '</dev/tcp/10.9.1.20/22' 2>/dev/null; }
if reaches inside runuser -u ecluse-gateway --; then fail "the gateway reaches the scanner without a session"; fi
if reaches inside runuser -u ecluse-console --; then fail "the console reaches the scanner"; fi
if reaches inside; then fail "root reaches the scanner without the broker"; fi
ip -n "try$$-supplier" route add 10.9.0.0/16 via 192.0.2.1
if reaches at supplier; then fail "the supplier reaches the scanner through the bastion"; fi
if timeout 5 ip netns exec "try$$-scanner" bash -c '</dev/tcp/10.9.0.2/2222' 2>/dev/null; then fail "the scanner reaches the gateway"; fi

say "open while a session is, and for the gateway alone"
# no pipe: grep ends at the first match, and who writes on into it has failed
way_is_open() { grep -q '10.9.1.20 . 22' <(inside nft list set inet ecluse open4); }
way_is_closed() { ! way_is_open; }
session_begins
way_is_open || fail "no way is open in a session"
if reaches inside runuser -u ecluse-console --; then fail "the console goes by the session's way"; fi
if reaches inside; then fail "root goes by the session's way"; fi

say "the broker is killed, the filter is loaded anew: the session waits, and lives"
before=$(pid ecluse-flows.service)
inside kill -s KILL "$before"
until_true 30 another ecluse-flows.service "$before" || fail "the broker is not started again"
until_true 30 way_is_open || fail "the session did not ask for its way again"
before=$(pid ecluse-flows.service)
inside systemctl restart ecluse-firewall.service
until_true 30 another ecluse-flows.service "$before" || fail "the broker did not start again with the filter"
until_true 30 way_is_open || fail "the session did not ask for its way again"
session_ends
until_true 15 way_is_closed || fail "the way stays open after the session"
inside journalctl --no-pager -u ecluse-flows.service | grep -c 'open 10.9.1.20' || fail "the broker's openings are not in the journal"

say "without the broker nothing opens"
inside systemctl stop ecluse-flows.socket ecluse-flows.service
if technician "uname -n; exit" >"$work/refused" 2>&1; then fail "a session opened without the broker"; fi
grep -a 'PGSSIS-T8' "$work/refused" || { cat "$work/refused"; fail "the refusal does not name its rule"; }
inside systemctl start ecluse-flows.socket
technician "uname -n; exit"
