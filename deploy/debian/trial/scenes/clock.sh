# shellcheck shell=bash
say "how the clock is kept is known behind ProtectClock=, too"
inside systemctl start ecluse-doctor.service
inside journalctl --no-pager -o cat -u ecluse-doctor.service >"$work/journal"
grep -aE 'clock' "$work/journal" | tail -2
if grep -a 'the kernel would not say' "$work/journal"; then fail "nobody says whether the clock is synchronised"; fi

say "a clock four seconds off keeps both programs from starting"
beside ip netns exec "try$$-scanner" "$tree/deploy/debian/trial/wrong-clock" 10.9.1.20 4
inside apt-get -y -qq install chrony </dev/null >/dev/null
inside sh -c 'echo "server 10.9.1.20 iburst minpoll 0 maxpoll 2" >~/chrony.conf'
# -x: it measures, and leaves the machine's clock alone, which is that of the machine outside
inside systemd-run --quiet --unit=ntp-client /usr/sbin/chronyd -x -d -f "$admin/chrony.conf"
measured() { inside chronyc -c tracking | awk -F, '{ off = $5 < 0 ? -$5 : $5; exit !(off > 3 && $14 != "Not synchronised") }'; }
until_true 60 measured || { inside chronyc tracking; fail "chrony measures nothing"; }
for part in gateway console; do
    inside systemctl restart "ecluse-$part.service" && fail "ecluse-$part starts with a wrong clock"
    inside journalctl --no-pager -o cat -u "ecluse-$part.service" -n 40 | grep -a 'process.not_started' | tail -1 >"$work/refused"
    grep -a 'chrony' "$work/refused" | cut -c1-300 || fail "its log does not say why"
    if active "ecluse-$part.service"; then fail "ecluse-$part runs"; fi
done
if inside ecluse doctor >"$work/doctor"; then fail "doctor does not find it"; fi
grep -a chrony "$work/doctor"

say "the clock is right again: both start by themselves"
inside systemctl stop ntp-client.service
for part in gateway console; do
    until_true 60 active "ecluse-$part.service" || fail "ecluse-$part does not start by itself"
done
technician "uname -n; exit"
