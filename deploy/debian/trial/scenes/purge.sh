# shellcheck shell=bash
say "purged: nothing is asked, the traces stay"
before=$(state)
inside apt-get -y purge ecluse </dev/null
changed=$(lost "$before")
[ -z "$changed" ] || fail "the purge changed settings, keys or traces: $changed"
[ -n "$(inside find /var/lib/ecluse/traces -name 'manifest*')" ] || fail "the purge took traces"
inside test ! -e /usr/bin/ecluse || fail "the command is still there"
inside test ! -e /etc/ecluse || fail "/etc/ecluse is still there"
inside test ! -e /usr/lib/ecluse || fail "/usr/lib/ecluse is still there: $(inside find /usr/lib/ecluse | head)"
# the network filter stays loaded: it only closes
left=$(inside systemctl list-units --no-legend --plain --state=active 'ecluse*' | grep -v '^ecluse-firewall.service' || true)
[ -z "$left" ] || fail "units are still there: $left"
