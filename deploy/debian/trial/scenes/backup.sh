# shellcheck shell=bash
# Another machine, with the package and nothing else, stands for the safe first, and then for the machine after the fire.
spare="$work/spare"
say "a backup by the unit, while both programs serve and a session is open"
copied spare "$spare"
boot spare "$spare"
in_machine spare sh -c 'apt-get -y -qq install ./ecluse_*.deb' </dev/null >/dev/null
secret="une longue phrase secrete"
phrase=("hrase=$secret" "same again=$secret" "Encore une fois=$secret")
# shellcheck disable=SC2046  # the way in is several words
follow safe "${phrase[@]}" -- $(enter spare) bash --norc
cp "$spare$admin/backup.pem.pub" "$home/"
session_begins
followed backup
session_ends
inside systemctl list-timers --no-pager ecluse-backup.timer | grep ecluse-backup.service || fail "no timer runs it"
archive=$(inside sh -c 'ls /var/lib/ecluse/backups/*.backup | tail -1')
inside stat -c '%U %a %s bytes %n' "$archive"

say "restored on the empty machine: it serves, with its people, its keys and its traces"
cp "$root$archive" "$spare$admin/A.backup"
cp "$root/var/lib/ecluse/keys/checkpoint-signing.pem.pub" "$home/hospital-ca.pem" "$spare$admin/"
sed -i 's/^192.0.2.1/127.0.0.1/' "$spare/etc/hosts"
# shellcheck disable=SC2046
follow restored "${phrase[@]}" -- $(enter spare) bash --norc
for part in gateway console; do
    until_true 60 in_machine spare systemctl is-active --quiet "ecluse-$part.service" || fail "ecluse-$part does not run there"
done
in_machine spare ecluse doctor >"$work/doctor" || { cat "$work/doctor"; fail "doctor finds something missing there"; }
halt spare
