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

say "a key is missing: systemd says that credentials are, doctor which file; put back, it runs by itself"
key=/var/lib/ecluse/keys/trace-signing.pem
inside mv "$key" "$key.away"
if inside systemctl restart ecluse-gateway.service; then fail "ecluse-gateway starts without its key"; fi
inside journalctl --no-pager -u ecluse-gateway.service -n 20 | grep 'Failed to set up credentials' || fail "the page tells of another line"
if inside ecluse doctor >"$work/doctor"; then fail "doctor does not find it"; fi
grep -m 1 "$key" "$work/doctor" || { cat "$work/doctor"; fail "doctor does not name the file"; }
inside mv "$key.away" "$key"
until_true 30 active ecluse-gateway.service || fail "ecluse-gateway does not start by itself"
technician "uname -n; exit"
