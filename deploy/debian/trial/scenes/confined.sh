# shellcheck shell=bash
say "what runs, as whom, with which rights, and how exposed each unit is"
for part in gateway console; do
    active "ecluse-$part.service" || fail "ecluse-$part does not run"
    user=$(inside ps -o user:32= -p "$(pid "ecluse-$part.service")")
    [ "$user" = "ecluse-$part" ] || fail "ecluse-$part runs as $user"
    inside grep -x 'CapEff:.0000000000000000' "/proc/$(pid "ecluse-$part.service")/status" || fail "ecluse-$part has rights"
done
for unit in "$tree"/deploy/systemd/*.service; do
    inside systemd-analyze security --no-pager --threshold=20 "$(basename "$unit")" >"$work/exposure" ||
        { cat "$work/exposure"; fail "$(basename "$unit") is over 2.0"; }
    tail -1 "$work/exposure"
done

say "keys come by credentials, seen by their program alone"
gateway=$(pid ecluse-gateway.service) console=$(pid ecluse-console.service)
# seen <PID> <USER> <UNIT>: what that process sees of the credentials of a unit
seen() { inside nsenter -t "$1" -m -- setpriv --reuid "$2" --clear-groups ls "/run/credentials/$3" 2>/dev/null || true; }
seen "$gateway" ecluse-gateway ecluse-gateway.service | grep -x trace-signing.pem || fail "the gateway was handed no key"
[ -z "$(seen "$gateway" ecluse-gateway ecluse-console.service)" ] || fail "the gateway sees the console's keys"
[ -z "$(seen "$console" ecluse-console ecluse-gateway.service)" ] || fail "the console sees the gateway's keys"
inside journalctl --no-pager -o json -u ecluse-gateway.service -n 200 >"$work/journal"
python3 - "$work/journal" <<'PY' || fail "the system's journal does not tell what it is told"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
said = [(each, json.loads(each["MESSAGE"])) for each in lines if each.get("SYSLOG_IDENTIFIER") == "ecluse-gateway"]
ready = [each for each, told in said if told["event"] == "gateway.ready"]
assert ready and ready[-1]["PRIORITY"] == "6" and ready[-1]["_SYSTEMD_UNIT"] == "ecluse-gateway.service", ready
levels = {"info": "6", "warning": "4", "error": "3", "critical": "2"}
wrong = [(each["PRIORITY"], told) for each, told in said if levels[told["level"]] != each["PRIORITY"]]
assert not wrong, wrong
print(f"{len(said)} lines, each with its priority")
PY

say "the nightly look at the machine"
inside systemctl start ecluse-doctor.service || { inside journalctl --no-pager -u ecluse-doctor.service | tail -40; fail "it fails"; }
inside systemctl list-timers --no-pager ecluse-doctor.timer | grep ecluse-doctor.service || fail "no timer runs it"
inside chmod 644 /var/lib/ecluse/keys/trace-signing.pem
if inside systemctl start ecluse-doctor.service; then fail "a key that everybody reads is not found"; fi
inside systemctl --no-pager --failed | grep ecluse-doctor.service || fail "the unit has not failed"
inside chmod 600 /var/lib/ecluse/keys/trace-signing.pem
inside systemctl start ecluse-doctor.service || fail "the key is as it was, and it fails"

say "the machine audits itself, behind the same walls"
inside systemctl start ecluse-self-audit.service || { inside journalctl --no-pager -u ecluse-self-audit.service | tail -40; fail "it finds something to mend"; }
inside journalctl --no-pager -o cat -u ecluse-self-audit.service >"$work/audit"
if grep '^?' "$work/audit" | grep -v 'NOT AUDITED'; then fail "a part could ask nobody"; fi
inside systemctl list-timers --no-pager ecluse-self-audit.timer | grep ecluse-self-audit.service || fail "no timer runs it"

say "what is not set up starts nothing, and fails nothing"
for unit in ecluse-airlock-front.service ecluse-airlock-relay.service ecluse-airlock-audit.service ecluse-firewall.service; do
    inside systemctl start "$unit"
    [ "$(inside systemctl show -P ConditionResult "$unit")" = no ] || fail "$unit starts without its settings"
done
