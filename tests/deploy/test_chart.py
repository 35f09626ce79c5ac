"""The Helm chart, rendered by Helm and checked against Kubernetes' schemas, without a cluster."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest

from librechat_code_interpreter import __version__
from tests.deploy.tools import BIN, KNOWN, ROOT

CHART = ROOT / "deploy" / "chart"
SECRET = {"existingSecrets": ["keys"]}
BUCKET = {"settings": {"FILE_STORE_URL": "s3://bucket/code"}}
EXAMPLES = sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))
EVERYTHING: dict[str, Any] = {
    **SECRET, **BUCKET, "extraEnv": [{"name": "REDIS_URL", "value": "redis://redis"}],
    "imagePullSecrets": [{"name": "registry"}], "autoscaling": {"enabled": True},
    "ingress": {"enabled": True, "host": "code.example", "className": "nginx", "tls": [{"hosts": ["code.example"]}]},
    "networkPolicy": {"enabled": True, "egress": [{"ports": [{"port": 9000}]}]}, "serviceMonitor": {"enabled": True},
    "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "nodeSelector": {"disk": "fast"},
    "tolerations": [{"operator": "Exists"}], "priorityClassName": "high",
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    ],
}  # fmt: skip
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no secret": ({}, "existingSecrets: name a Secret"),
    "two local": ({**SECRET, "engine": "local", "replicas": 2}, "engine local runs one"),
    "two on a directory": ({**SECRET, "replicas": 2}, "settings.FILE_STORE_URL"),
    "a secret in the values": ({**SECRET, "settings": {"ADAPTER_API_KEY": "k"}}, "ADAPTER_API_KEY"),
    "another engine": ({**SECRET, "engine": "docker"}, "engine"),
    "a misspelt value": ({**SECRET, "replica": 2}, "replica"),
}
CASES = {
    "default": SECRET,
    "everything": EVERYTHING,
    "own claim": {**SECRET, "persistence": {"existingClaim": "mine"}},
    "numbers": {**SECRET, "settings": {"UPLOAD_MAX_BYTES": 104857600, "DAYTONA_TTL_MINUTES": 0, "REDIS_PREFIX": "a:"}},
    **{name: values for name, (values, _) in REFUSED.items()},
}
VALID = [*EXAMPLES, *sorted(set(CASES) - set(REFUSED))]

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="Helm as a library has no wheel for others yet")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Render all cases in one process."""
    done = subprocess.run(
        [BIN / "python", Path(__file__).with_name("helm.py")],
        input=json.dumps(CASES), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def cases(told: dict[str, Any]) -> dict[str, Any]:
    """Return what came of each case."""
    found: dict[str, Any] = told["cases"]
    return found


def pod(case: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of a rendered case."""
    spec: dict[str, Any] = case["objects"]["Deployment"]["spec"]["template"]["spec"]
    return spec


def environment(case: dict[str, Any]) -> dict[str, str]:
    """Return the variables that are written out."""
    return {one["name"]: one["value"] for one in pod(case)["containers"][0]["env"]}


def test_helm_lint_finds_no_fault(told: dict[str, Any]) -> None:
    """`helm lint` reports nothing but the missing icon."""
    assert told["lint"]["errors"] == []
    assert [message["error"] for message in told["lint"]["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("name", VALID)
def test_what_is_rendered_is_what_kubernetes_knows(name: str, cases: dict[str, Any]) -> None:
    """Each object is valid for Kubernetes 1.30, 1.33 and 1.37."""
    assert "refused" not in cases[name], cases[name]
    assert cases[name]["complaints"] == []


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_work_is_refused_before_it_is_installed(name: str, cases: dict[str, Any]) -> None:
    """Helm ends with one sentence that names the value."""
    assert REFUSED[name][1] in cases[name].get("refused", ""), cases[name]


@pytest.mark.parametrize("name", VALID)
def test_every_variable_is_a_setting(name: str, cases: dict[str, Any]) -> None:
    """What the chart and its examples set is read by the service or by its bucket's client."""
    assert set(environment(cases[name])) <= KNOWN


@pytest.mark.parametrize("name", ["default", "replicas", "everything"])
def test_on_daytona_the_pod_meets_the_restricted_standard(name: str, cases: dict[str, Any]) -> None:
    """Kubernetes' "restricted" Pod Security Standard, and a read-only image besides."""
    spec = pod(cases[name])
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec)
    assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "emptyDir", "persistentVolumeClaim"}
    assert spec["automountServiceAccountToken"] is False


def test_the_embedded_engine_gets_namespaces_and_nothing_more(cases: dict[str, Any]) -> None:
    """User namespaces, an unmasked /proc, no runtime seccomp profile; still no root, capability or new privilege."""
    spec = pod(cases["local"])
    (container,) = spec["containers"]
    assert spec["hostUsers"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "Unconfined"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "procMount": "Unmasked",
        "appArmorProfile": {"type": "Unconfined"},
    }


def test_secrets_come_from_secrets(cases: dict[str, Any]) -> None:
    """The chart contains only the names of secrets."""
    (container,) = pod(cases["default"])["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert "Secret" not in cases["everything"]["objects"]


def test_a_directory_is_kept_in_a_volume_that_outlives_the_release(cases: dict[str, Any]) -> None:
    """The users' files are on a claim that `helm uninstall` keeps, and one process at a time writes there."""
    objects = cases["default"]["objects"]
    claim = objects["PersistentVolumeClaim"]["metadata"]
    assert claim["annotations"]["helm.sh/resource-policy"] == "keep"
    assert objects["Deployment"]["spec"]["strategy"]["type"] == "Recreate"
    volumes = {volume["name"]: volume for volume in pod(cases["default"])["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(cases["default"])["containers"][0]["volumeMounts"]}
    assert volumes["files"]["persistentVolumeClaim"]["claimName"] == claim["name"]
    assert mounts["files"] == environment(cases["default"])["FILE_STORE_URL"]


def test_a_claim_of_ones_own_and_a_bucket_need_no_new_claim(cases: dict[str, Any]) -> None:
    """Neither makes a volume; the bucket's replicas are replaced one by one, and never all at once."""
    assert "PersistentVolumeClaim" not in cases["own claim"]["objects"]
    objects = cases["replicas"]["objects"]
    assert "PersistentVolumeClaim" not in objects
    assert objects["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert objects["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_probes_ask_for_life_and_for_readiness(cases: dict[str, Any]) -> None:
    """An unavailable store or engine makes the pod unready; it is not restarted."""
    (container,) = pod(cases["default"])["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_numbers_arrive_as_they_were_written(cases: dict[str, Any]) -> None:
    """Helm turns numbers into floats: 104857600 must not become 1.048576e+08, nor 0 vanish."""
    variables = environment(cases["numbers"])
    assert (variables["UPLOAD_MAX_BYTES"], variables["DAYTONA_TTL_MINUTES"]) == ("104857600", "0")
    assert variables["REDIS_PREFIX"] == "a:"


def test_autoscaling_leaves_the_number_of_replicas_alone(cases: dict[str, Any]) -> None:
    """With a HorizontalPodAutoscaler an upgrade does not reset the number of replicas."""
    objects = cases["everything"]["objects"]
    assert "replicas" not in objects["Deployment"]["spec"]
    assert (
        objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        == (objects["Deployment"]["metadata"]["name"])
    )


def test_monitor_policy_and_service_find_the_pods(cases: dict[str, Any]) -> None:
    """Selectors match the labels of the pods and the service."""
    objects = cases["everything"]["objects"]
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        objects["Service"]["spec"]["selector"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    monitor = objects["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= objects["Service"]["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert [endpoint["port"]] == [one["name"] for one in objects["Service"]["spec"]["ports"]]
    assert endpoint["authorization"]["credentials"] == {"name": "keys", "key": "METRICS_KEY"}


def test_the_notes_say_what_librechat_needs(cases: dict[str, Any]) -> None:
    """The address in the notes is the service's own."""
    name = cases["default"]["objects"]["Service"]["metadata"]["name"]
    assert f"LIBRECHAT_CODE_BASEURL=http://x:<key>@{name}.chat.svc:8000/v1" in cases["default"]["notes"]


def test_the_chart_is_of_this_version(told: dict[str, Any]) -> None:
    """By default the chart uses the image of its service's release."""
    assert told["chart"]["appVersion"] == __version__


def test_every_value_of_the_chart_is_in_its_schema(told: dict[str, Any]) -> None:
    """A misspelt value is refused, so the schema knows every value."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(told["values"]) == set(schema["properties"]) - {"global"}
