"""Whether every pod of a rendered overlay keeps the pod security standard `restricted`, and what refrom adds to it.

    pod_security.py MANIFESTS

<https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
"""

import sys

import yaml

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def templates(document):
    """The pod specs in a document, wherever they stand."""
    if isinstance(document, dict):
        if "containers" in document:
            yield document
        for part in document.values():
            yield from templates(part)


def faults(pod):
    context = pod.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        if pod.get(name):
            yield f"{name} is set"
    for volume in pod.get("volumes", []):
        if set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is of a kind that is not allowed"
    # Beyond the standard.
    if pod.get("automountServiceAccountToken") is not False:
        yield "the service account's token is mounted"
    for container in pod["containers"] + pod.get("initContainers", []) + pod.get("ephemeralContainers", []):
        own = container.get("securityContext", {})
        both = {**context, **own}
        if both.get("runAsNonRoot") is not True or both.get("runAsUser", 0) == 0:
            yield "may run as root"
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "has no seccomp profile"
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield "may gain privileges"
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield "keeps capabilities"
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield "uses the host's ports"
        if own.get("procMount", "Default") != "Default":
            yield "has another /proc"
        # Beyond the standard.
        if own.get("readOnlyRootFilesystem") is not True:
            yield "may write to its root file system"
        if not {"memory"} <= set(container.get("resources", {}).get("limits", {})):
            yield "has no limit of memory"
        if not {"cpu", "memory"} <= set(container.get("resources", {}).get("requests", {})):
            yield "requests nothing"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    pods = [pod for document in documents for pod in templates(document)]
    wrong = [fault for pod in pods for fault in faults(pod)]
    levels = [
        document["metadata"]["labels"].get("pod-security.kubernetes.io/enforce")
        for document in documents
        if document["kind"] == "Namespace"
    ]
    if len(pods) != 1 or levels != ["restricted"]:
        wrong.append("expected one pod, and a namespace that enforces `restricted`")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
