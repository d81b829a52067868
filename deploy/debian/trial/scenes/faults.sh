# shellcheck shell=bash
say "a gateway or a console that is killed, then one that hangs, runs again"
for part in gateway console; do
    for signal in KILL STOP; do
        before=$(pid "ecluse-$part.service") begun_fault=$SECONDS
        inside kill -s "$signal" "$before"
        until_true 120 another "ecluse-$part.service" "$before" || fail "after SIG$signal ecluse-$part does not run again"
        echo "ecluse-$part: SIG$signal, again after $((SECONDS - begun_fault)) s"
    done
    inside journalctl --no-pager -u "ecluse-$part.service" >"$work/journal"
    grep 'Watchdog timeout' "$work/journal" || fail "the journal does not tell of the watchdog"
    grep 'status=9/KILL' "$work/journal" || fail "the journal does not tell of the kill"
done
technician "uname -n; exit"
