"""What is in ``deploy/``, and the page that is followed word for word."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
PAGE = ROOT / "docs/operator.md"
SECTIONS = sorted(set(re.findall(r"<!-- follow: (\w+)-(?:fr|en) -->", PAGE.read_text(encoding="utf-8"))))


def documents() -> Iterator[dict[str, Any]]:
    """Give each object of the Kubernetes manifests."""
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def pods() -> dict[str, dict[str, Any]]:
    """Return the pod templates by the name of what makes them."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in documents()
        if "template" in each.get("spec", {})
    }


def faults(pod: dict[str, Any]) -> list[str]:
    """Return what *pod* lacks of Kubernetes' "restricted" profile, and of ours."""
    context = pod.get("securityContext", {})
    found = [] if context.get("runAsNonRoot") is True else ["it may run as root"]
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("no seccomp profile")
    if pod.get("automountServiceAccountToken") is not False:
        found.append("it is given a token of the cluster's")
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        found.append("it shares what is the host's")
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        own = container.get("securityContext", {})
        if (
            own.get("allowPrivilegeEscalation") is not False
            or own.get("privileged")
            or own.get("readOnlyRootFilesystem") is not True
            or own.get("capabilities") != {"drop": ["ALL"]}
        ):
            found.append(f"{container['name']} is not confined")
        if "memory" not in container.get("resources", {}).get("limits", {}):
            found.append(f"{container['name']} may take all memory")
        if not re.fullmatch(r"ecluse:\d+\.\d+\.\d+", container["image"]):
            found.append(f"{container['name']} is of no version")
    return found


@pytest.mark.parametrize("name", sorted(pods()))
def test_each_pod_is_confined(name: str) -> None:
    """Unprivileged, read-only, no capability, no token; a container that is given one thing back is found."""
    pod = pods()[name]
    assert faults(pod) == []
    worse = deepcopy(pod)
    worse["containers"][0]["securityContext"]["privileged"] = True
    worse["securityContext"]["runAsNonRoot"] = False
    assert len(faults(worse)) == 2


def test_the_cluster_s_network_is_closed_but_for_what_is_named() -> None:
    """One policy closes all pods both ways; only the gateway's opens the devices' network; nothing opens all egress."""
    policies = {
        each["metadata"]["name"]: each["spec"] for each in documents() if each["kind"] == "NetworkPolicy"
    }
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    devices = {
        name
        for name, spec in policies.items()
        for rule in spec.get("egress", [])
        for to in rule["to"]
        if to.get("ipBlock", {}).get("cidr") == "10.9.0.0/16"
    }
    assert devices == {"gateway"}
    assert all(
        rule.get("to") and rule.get("ports") for spec in policies.values() for rule in spec.get("egress", [])
    )


def test_no_manifest_holds_a_secret() -> None:
    """Secrets are referred to by name; each of a process is its own but for the vault's."""
    assert "Secret" not in {each["kind"] for each in documents()}
    named = {
        name: {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        for name, pod in pods().items()
    }
    assert named["ecluse-gateway"] & named["ecluse-console"] == {"ecluse-vault"}
    assert named["ecluse-migration"] == {"ecluse-owner"}


def followed(page: str, section: str) -> list[str]:
    """Return the commands of a section, without what is said in words: comments, questions, and the window's purpose."""
    found = re.search(rf"<!-- follow: {section} -->\n(.*?)<!-- followed -->", page, re.DOTALL)
    assert found is not None, section
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```$", found[1], re.DOTALL | re.MULTILINE))
    text = re.sub(r"(read -r\w* |--purpose )\"[^\"]*\"", r"\1…", text)
    return [re.split(r"  +#", line)[0].rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_operator_s_page_says_the_same_in_both_languages(section: str) -> None:
    """What ``deploy/debian/try`` follows in one language holds for the other: the commands are the same."""
    page = PAGE.read_text(encoding="utf-8")
    french, english = (followed(page, f"{section}-{language}") for language in ("fr", "en"))
    assert french == english
    assert french


def test_an_audit_that_a_transient_timer_starts_ends_as_the_unit_s_does() -> None:
    """A report with notices is no failure there either, and what it writes is as private."""
    unit = (ROOT / "deploy/systemd/ecluse-self-audit.service").read_text(encoding="utf-8")
    wanted = re.findall(r"^(?:SuccessExitStatus|UMask)=.*$", unit, re.MULTILINE)
    page = PAGE.read_text(encoding="utf-8")
    commands = re.findall(r"systemd-run (?:.*\\\n)+ *ecluse self-audit run", page)
    assert (len(wanted), len(commands)) == (2, 2)
    assert all(f"-p {line} " in command for line in wanted for command in commands)


@pytest.mark.parametrize(
    "title", ["Mettre à jour une installation plus ancienne", "Updating an older installation"]
)
def test_an_update_starts_the_audits_that_an_older_page_left_out(title: str) -> None:
    """A further gateway had masked its timer, and none was enabled on the lock's front: the page says how both start."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    assert "systemctl unmask ecluse-self-audit.timer" in section
    assert "systemctl enable --now ecluse-self-audit.timer" in section
    assert "systemctl enable --now ecluse-airlock-audit.timer" in section


def test_the_container_s_users_are_those_of_the_manifests() -> None:
    """The image's numbers for the two users are those that the manifests and compose.yaml run as."""
    recipe = (ROOT / "deploy/container/Containerfile").read_text(encoding="utf-8")
    numbers = dict(re.findall(r"--uid (\d+) .* ecluse-(gateway|console) ", recipe))
    assert numbers == {"65011": "gateway", "65012": "console"}
    compose = yaml.safe_load((ROOT / "deploy/container/compose.yaml").read_text(encoding="utf-8"))
    for number, name in numbers.items():
        assert compose["services"][name]["user"] == f"{number}:65010"
        assert pods()[f"ecluse-{name}"]["securityContext"]["runAsUser"] == int(number)
        assert compose["services"][name]["read_only"] is True
        assert compose["services"][name]["cap_drop"] == ["ALL"]
