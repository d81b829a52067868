# shellcheck shell=bash
say "reloaded while a session is open: the session lives on, newcomers go to the new process"
session_begins
restarts=$(inside systemctl show -P NRestarts ecluse-gateway.service)
before=$(pid ecluse-gateway.service)
inside systemctl reload ecluse-gateway.service
until_true 60 another ecluse-gateway.service "$before" || fail "no new main process"
echo "main process: $before, now $(pid ecluse-gateway.service)"
inside kill -0 "$before" || fail "the old process is gone"
technician "uname -n; exit"
inside kill -0 "$before" || fail "the old process is gone with the newcomer"
session_ends
old_is_gone() { ! inside kill -0 "$before"; }
until_true 30 old_is_gone || fail "the old process stays after its last session"
active ecluse-gateway.service || fail "the unit ended with the old process"
[ "$(inside systemctl show -P NRestarts ecluse-gateway.service)" = "$restarts" ] || fail "systemd took it for a fault"
followed verified

say "the new main process has the watchdog, too"
before=$(pid ecluse-gateway.service)
inside kill -s STOP "$before"
until_true 120 another ecluse-gateway.service "$before" || fail "one that hangs is not started again"
technician "uname -n; exit"
