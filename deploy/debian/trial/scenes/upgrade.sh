# shellcheck shell=bash
say "a newer version comes over it while a session is open: nobody is cut, newcomers meet the new one"
state_before=$(state)
before=$(pid ecluse-gateway.service) console_before=$(pid ecluse-console.service)
older=$(inside ecluse --version)
session_begins
inside apt-get -y -o APT::Get::Assume-Yes=true install "/srv/$(basename "$newer")" </dev/null
changed=$(lost "$state_before")
[ -z "$changed" ] || fail "the upgrade changed settings, keys or traces: $changed"
[ "$(inside ecluse --version)" = "ecluse $(dpkg-deb -f "$newer" Version)" ] || fail "it is not the newer one"
echo "$older, now $(inside ecluse --version)"
for part in gateway console; do active "ecluse-$part.service" || fail "ecluse-$part does not run"; done
another ecluse-gateway.service "$before" || fail "the gateway is not the new one"
another ecluse-console.service "$console_before" || fail "the console is not the new one"
inside kill -0 "$before" || fail "the old gateway is gone with a session in it"
runs() { inside cat "/proc/$1/cmdline" | tr '\0' ' '; }
runs "$before" && echo
runs "$(pid ecluse-gateway.service)" && echo
technician "uname -n; exit"
session_ends
old_is_gone() { ! inside kill -0 "$before"; }
until_true 30 old_is_gone || fail "the old gateway stays after its last session"
followed verified
inside ecluse doctor >"$work/doctor" || { cat "$work/doctor"; fail "doctor finds something missing"; }

say "installed once more: the copy of the version before goes, for nobody runs it"
# the relay of the two-tier lock keeps its version until then
inside systemctl try-restart ecluse-airlock-relay.service
inside apt-get -y install --reinstall "/srv/$(basename "$newer")" </dev/null
inside ls /usr/lib/ecluse.versions
[ "$(inside ls /usr/lib/ecluse.versions | tr '\n' ' ')" = "$(dpkg-deb -f "$newer" Version) current " ] || fail "old copies stay"
active ecluse-gateway.service ecluse-console.service || fail "it does not run"
technician "uname -n; exit"
