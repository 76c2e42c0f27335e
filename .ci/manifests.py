"""What the checks of manifests share: those in deploy/kubernetes, and what the charts make.

Needs the Python packages kubernetes-validate and PyYAML.
"""

import os
import pathlib
import re
import subprocess
import tempfile

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
GAUGE = ROOT / "target" / "debug" / "tidegauge"

# The oldest release with native sidecars switched on, and the newest with a schema here.
KUBERNETES = ["1.29", "1.37"]

# Kinds that are not Kubernetes' own, of which there are no schemas here.
CUSTOM = ["monitoring.coreos.com/", "azmonitoring.coreos.com/"]

PREFIX = "TIDEGAUGE__"


def name_of(path):
    return str(path.relative_to(ROOT))


def of_package(key):
    """What Cargo.toml says of the package. Read by hand, as older releases of Python bring no parser."""
    return re.search(rf'^{key} = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


class Manifests:
    """Objects, each with where it is from; by kind and name."""

    def __init__(self, texts):
        """From texts of YAML, each with where it is from."""
        self.problems = []
        self.all = []
        for where, text in texts:
            self.all += self.documents(where, text)
        self.settle()

    @classmethod
    def plain(cls, replacements=None):
        """Everything in deploy/kubernetes; with what takes the place of some of it, if that is given."""
        manifests = cls((name_of(path), path.read_text()) for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")))
        for where, one in manifests.documents(name_of(replacements), replacements.read_text()) if replacements else []:
            key = cls.key(one)
            place = [index for index, (_, other) in enumerate(manifests.all) if cls.key(other) == key]
            if len(place) != 1:
                manifests.problems.append(f"{where}: {' '.join(key)} takes the place of nothing in deploy/kubernetes")
                continue
            manifests.all[place[0]] = (where, one)
        manifests.settle()
        return manifests

    def settle(self):
        self.config_maps = {
            one["metadata"]["name"]: one.get("data", {}) for _, one in self.all if one.get("kind") == "ConfigMap"
        }

    @staticmethod
    def key(one):
        return one.get("kind", "?"), one.get("metadata", {}).get("name", "?")

    def documents(self, where, text):
        """What a text holds, each with where it is from."""
        try:
            return [(where, one) for one in yaml.safe_load_all(text) if one is not None]
        except yaml.YAMLError as error:
            self.problems.append(f"{where} is no YAML: {error}")
            return []

    def of_kind(self, kind):
        return [one for _, one in self.all if one.get("kind") == kind]

    def pods(self):
        """Each workload's file and name, and its pods' specification."""
        for path, one in self.all:
            if "template" in one.get("spec", {}):
                yield f"{path}: {one['metadata']['name']}", one["spec"]["template"]["spec"]

    def ours(self):
        """Each container of ours, with its pod and whether it is a sidecar."""
        for where, pod in self.pods():
            for key in ["containers", "initContainers"]:
                for container in pod.get(key, []):
                    if "/tidegauge:" in container["image"]:
                        yield f"{where}: {container['name']}", pod, container, key == "initContainers"


def schemas(manifests):
    """What a cluster would refuse."""
    for path, one in manifests.all:
        if any(one.get("apiVersion", "").startswith(group) for group in CUSTOM):
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                kind, name = Manifests.key(one)
                at = ".".join(str(part) for part in error.path)
                yield f"{path}: {kind} {name}: Kubernetes {version}: {at}: {error.message}"


def promises(manifests):
    """What the schemas do not know: how careful our containers are, and that a sidecar holds nothing up."""
    version = of_package("version")
    found = 0
    for where, pod, container, is_sidecar in manifests.ours():
        found += 1
        security = pod.get("securityContext", {}) | container.get("securityContext", {})
        wanted = {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for key, value in wanted.items():
            if security.get(key) != value:
                yield f"{where}: securityContext.{key} is {security.get(key)}, not {value}"
        if not security.get("runAsUser"):
            yield f"{where}: securityContext.runAsUser is not set to somebody who is not root"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{where}: the pod gets a token for Kubernetes, and has no use for it"
        limits = container.get("resources", {}).get("limits", {})
        if "memory" not in limits or "cpu" in limits:
            yield f"{where}: limits are {limits}; there is one on memory, and none on cpu: a throttled gauge reads late"
        if not container["image"].split("@")[0].endswith(f":{version}"):
            yield f"{where}: the image is {container['image']}, and Cargo.toml says {version}"
        if is_sidecar:
            if container.get("restartPolicy") != "Always":
                yield f"{where}: is no native sidecar without restartPolicy: Always"
            for probe in ["readinessProbe", "startupProbe"]:
                if probe in container:
                    yield f"{where}: has a {probe}, on which the application's pod would wait"
            # What is not there keeps a pod from starting, unless it is said that it may be missing.
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            needed = [source["configMapRef"] for source in container.get("envFrom", []) if "configMapRef" in source]
            needed += [one["configMap"] for one in pod.get("volumes", []) if one["name"] in mounted and "configMap" in one]
            for one in needed:
                if one.get("optional") is not True:
                    yield f"{where}: the pod waits for ConfigMap {one['name']}, which is not optional"
    if found == 0:
        yield "no container of ours among the manifests"


def environment_of(manifests, container):
    """The variables that the container would have, of ours."""
    variables = {}
    for source in container.get("envFrom", []):
        variables |= manifests.config_maps.get(source["configMapRef"]["name"], {})
    variables |= {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}


def settings_of(manifests, pod, container):
    """Name of the ConfigMap, its key, and the text of the settings that the container would read."""
    arguments = container.get("args", [])
    path = pathlib.PurePosixPath(arguments[arguments.index("--config") + 1])
    mount = next(one["name"] for one in container["volumeMounts"] if one["mountPath"] == str(path.parent))
    volume = next(one for one in pod["volumes"] if one["name"] == mount)
    sources = volume["projected"]["sources"] if "projected" in volume else [volume]
    config_map = next(one["configMap"]["name"] for one in sources if "configMap" in one)
    return config_map, path.name, manifests.config_maps[config_map][path.name]


def settings(manifests):
    """What the gauge says to the settings inside the manifests."""
    unused = {(name, key) for name, data in manifests.config_maps.items() for key in data if key.endswith(".toml")}
    for where, pod, container, _ in manifests.ours():
        try:
            config_map, key, text = settings_of(manifests, pod, container)
        except (ValueError, IndexError, KeyError, StopIteration):
            yield f"{where}: no ConfigMap holds what --config names"
            continue
        unused.discard((config_map, key))
        if not GAUGE.exists():
            continue
        with tempfile.TemporaryDirectory(prefix="tidegauge-manifests-") as directory:
            file = pathlib.Path(directory) / key
            file.write_text(text)
            # Nothing of the caller's own: it would pass for what the manifests say.
            told = subprocess.run(
                [str(GAUGE), "--config", str(file), "check", "--offline"],
                env={"PATH": os.environ["PATH"]} | environment_of(manifests, container),
                capture_output=True,
                text=True,
            )
        lines = "; ".join((told.stdout + told.stderr).replace(str(file), key).splitlines())
        if told.returncode != 0:
            yield f"{where}: ConfigMap {config_map}, {key}: {lines}"
        else:
            print(f"{where}: ConfigMap {config_map}, {key}: {lines}")
    for config_map, key in sorted(unused):
        yield f"ConfigMap {config_map}: no container of ours reads {key}"
