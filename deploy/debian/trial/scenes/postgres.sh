# shellcheck shell=bash
say "moved to PostgreSQL, as the page says it, with a user of its own for each program"
followed postgres
for part in gateway console; do
    until_true 60 active "ecluse-$part.service" || fail "ecluse-$part does not run"
    inside runuser -u postgres -- psql -Atc "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'ecluse'" | sort -u >"$work/users"
    grep -x "ecluse_$part" "$work/users" || { cat "$work/users"; fail "ecluse-$part is not there as its own user"; }
done
if grep -x ecluse "$work/users"; then fail "a program is there as the owner"; fi
if inside runuser -u postgres -- psql -d ecluse -c 'SET ROLE ecluse_gateway; DELETE FROM journal_entries'; then
    fail "the gateway's user deletes from the journal"
fi
technician "uname -n; exit"
followed verified
inside systemctl start ecluse-doctor.service || { inside journalctl --no-pager -o cat -u ecluse-doctor.service | tail -30; fail "the nightly look fails"; }

say "PostgreSQL is killed in the middle of a session: it lives, and nobody has to start anything but PostgreSQL"
session_begins
before=$(pid ecluse-gateway.service)
# some of its processes go by themselves once the first is gone, which systemctl tells as an error
inside systemctl kill -s KILL postgresql@15-main.service || true
stopped() { ! active postgresql@15-main.service; }
until_true 15 stopped || fail "PostgreSQL was not killed"
inside systemctl reset-failed postgresql@15-main.service
inside systemctl restart postgresql@15-main.service
session_ends
[ "$(pid ecluse-gateway.service)" = "$before" ] || fail "the gateway was started again"
served() { inside sh -c 'ecluse doctor >/dev/null'; }
until_true 60 served || fail "it does not find PostgreSQL again"
technician "uname -n; exit"

say "a second hospital, added while the first one serves: neither sees the other"
printf '192.0.2.1 tulle.hospital.example\n' >>"$root/etc/hosts"
before=$(pid ecluse-gateway.service)
# shellcheck disable=SC2046  # the way in is several words
people="$work/tulle.json" follow hospital -- $(enter bastion) bash --norc | tee "$work/tulle"
sed -n '/ecluse people list/,$p' "$work/tulle" >"$work/seen"
if grep -aE 'alice|denis|Martin|scan01' "$work/seen"; then fail "Tulle sees what is Brive's"; fi
grep -a 'Zoé Roy' "$work/seen" || fail "Tulle does not see its own people"
logged_in
inside env "${at_home[@]}" ecluse people list >"$work/seen"
if grep -aE 'Zoé|Max Roy' "$work/seen"; then fail "Brive sees what is Tulle's"; fi
grep -a 'alice' "$work/seen" || fail "Brive does not see its own people"
[ "$(pid ecluse-gateway.service)" = "$before" ] || fail "the first hospital's gateway was started again"
technician "uname -n; exit"
# a unit that the package does not know: it would keep its version through the upgrade, and run on through the purge
inside systemctl stop ecluse-tulle.service
