"""The deployment files, read by the formats' own parsers and schemas."""

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from bert_tf.errors import InputError
from export.deployment import writing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model_dir(tmp_path):
    directory = tmp_path / "models" / "My_Bert.v2"
    for version in (1, 2, 10):
        (directory / str(version)).mkdir(parents=True)
        (directory / str(version) / "saved_model.pb").write_bytes(bytes(2**20))
    return directory


def write(tmp_path, model_dir, **options):
    output = tmp_path / "deploy"
    options = {"image": "tensorflow/serving:2.21.0", **options}
    resources = options.pop("resources", writing.Resources())
    writing.write(output, model_dir, resources=resources, **options)
    return {name: (output / name).read_text() for name in writing.FILES}


def manifests(text):
    return {entry["kind"]: entry for entry in yaml.safe_load_all(text)}


def test_versions_and_labels(tmp_path, model_dir):
    text = write(tmp_path, model_dir, stable=2, canary=10)["models.config"]
    assert "versions: 2\n        versions: 10\n" in text
    assert 'key: "stable" value: 2' in text and 'key: "canary" value: 10' in text
    text = write(tmp_path, model_dir)["models.config"]
    assert text.count("versions: 10") == 1 and "versions: 2" not in text
    assert 'key: "stable" value: 10' in text and 'key: "canary" value: 10' in text


def test_kubernetes_manifests_fit_their_schemas(tmp_path, model_dir):
    text = write(tmp_path, model_dir)["kubernetes.yaml"]
    entries = manifests(text)
    assert set(entries) == {
        "ConfigMap",
        "PersistentVolumeClaim",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    }
    for entry in entries.values():
        for version in ("1.30", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(entry, version, strict=True)
    # The schemas are no sieve that lets everything through.
    entries["Deployment"]["spec"]["template"]["spec"]["containers"][0]["ports"] = 8500
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(entries["Deployment"], "1.30", strict=True)


def test_the_manifests_refer_to_each_other(tmp_path, model_dir):
    made = write(tmp_path, model_dir, resources=writing.Resources(cpus=3))
    entries = manifests(made["kubernetes.yaml"])
    names = {entry["metadata"]["name"] for entry in entries.values()}
    assert names == {"my-bert-v2", "my-bert-v2-config", "my-bert-v2-models"}
    for file in ("models.config", "batching.config", "monitoring.config"):
        assert entries["ConfigMap"]["data"][file].rstrip() == made[file].rstrip()
    spec = entries["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {
            "path": "/v1/models/My_Bert.v2",
            "port": "rest",
        }
    assert container["resources"]["limits"] == {"cpu": "3", "memory": "515Mi"}
    arguments = dict(a.lstrip("-").split("=") for a in container["args"])
    paths = {value for name, value in arguments.items() if name.endswith("_file")}
    assert {path.removeprefix("/config/") for path in paths} == set(
        entries["ConfigMap"]["data"]
    )
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes["config"]["configMap"]["name"] in names
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] in names
    selector = entries["Service"]["spec"]["selector"]
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    target = entries["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == entries["Deployment"]["metadata"]["name"]
    compose = yaml.safe_load(made["docker-compose.yml"])
    (service,) = compose["services"].values()
    assert service["command"] == container["args"]
    assert f"${{MODEL_DIR:-{model_dir}}}:/models/My_Bert.v2:ro" in service["volumes"]
    assert ".:/config:ro" in service["volumes"]
    assert r"HTTP/1.0\r\n\r\n" in service["healthcheck"]["test"][-1]


def test_batches_are_what_a_version_of_a_static_shape_takes(tmp_path, model_dir):
    def make_static(version, size):
        extra = model_dir / str(version) / "assets.extra"
        extra.mkdir()
        (extra / "export.json").write_text(f'{{"static_batch_size": {size}}}')

    make_static(10, 8)
    text = write(tmp_path, model_dir, stable=2, canary=10)["batching.config"]
    parameters = text_format.Parse(text, unpackaged_messages()[0]())
    assert parameters.max_batch_size.value == 8
    assert list(parameters.allowed_batch_sizes) == [8]
    text = write(tmp_path, model_dir, stable=2)["batching.config"]
    assert "max_batch_size { value: 32 }\n#" in text
    make_static(2, 16)
    with pytest.raises(InputError, match="2 takes .* of 16 rows and version 10 of 8"):
        write(tmp_path, model_dir, stable=2, canary=10)


@pytest.mark.parametrize("name", ["a" * 39 + "-b", "2.0", "_", "My Bert"])
def test_names_are_those_that_kubernetes_takes(name):
    assert re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", writing._dns_name(name))


@pytest.mark.slow
def test_the_configurations_are_what_tf_serving_reads(tmp_path, model_dir):
    from tensorflow_serving.config import model_server_config_pb2

    made = write(tmp_path, model_dir, stable=2, canary=10)
    (config,) = text_format.Parse(
        made["models.config"], model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    assert (config.name, config.base_path) == ("My_Bert.v2", "/models/My_Bert.v2")
    assert list(config.model_version_policy.specific.versions) == [2, 10]
    assert dict(config.version_labels) == {"stable": 2, "canary": 10}
    batching, monitoring = unpackaged_messages()
    parameters = text_format.Parse(made["batching.config"], batching())
    assert parameters.max_batch_size.value == 32
    assert parameters.num_batch_threads.value == 2
    assert parameters.max_enqueued_batches.value == 100
    assert not parameters.pad_variable_length_inputs
    config = text_format.Parse(made["monitoring.config"], monitoring())
    assert config.prometheus_config.enable


def unpackaged_messages():
    """`BatchingParameters` and `MonitoringConfig`, as the package of protos lacks them.

    Source: tensorflow/serving, servables/tensorflow/session_bundle_config.proto and
    config/monitoring_config.proto.
    """
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="unpackaged.proto",
        package="unpackaged",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    wrapped, repeated = ".google.protobuf.Int64Value", field.LABEL_REPEATED
    messages = {
        "BatchingParameters": {
            "max_batch_size": (1, field.TYPE_MESSAGE, wrapped),
            "batch_timeout_micros": (2, field.TYPE_MESSAGE, wrapped),
            "max_enqueued_batches": (3, field.TYPE_MESSAGE, wrapped),
            "num_batch_threads": (4, field.TYPE_MESSAGE, wrapped),
            "allowed_batch_sizes": (6, field.TYPE_INT64, None),
            "pad_variable_length_inputs": (7, field.TYPE_BOOL, None),
        },
        "PrometheusConfig": {
            "enable": (1, field.TYPE_BOOL, None),
            "path": (2, field.TYPE_STRING, None),
        },
        "MonitoringConfig": {
            "prometheus_config": (1, field.TYPE_MESSAGE, ".unpackaged.PrometheusConfig")
        },
    }
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for key, (number, kind, type_name) in fields.items():
            message.field.add(
                name=key,
                number=number,
                type=kind,
                type_name=type_name,
                label=repeated if key.endswith("sizes") else field.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return [
        message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"unpackaged.{name}")
        )
        for name in ("BatchingParameters", "MonitoringConfig")
    ]


def test_what_is_not_there_cannot_be_deployed(tmp_path, model_dir):
    with pytest.raises(InputError, match="has no version 3, but 1, 2, 10"):
        write(tmp_path, model_dir, canary=3)
    with pytest.raises(InputError, match="10 is the newest version, so it would be st"):
        write(tmp_path, model_dir, canary=10)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no version of a SavedModel here"):
        write(tmp_path, tmp_path / "empty")
    strange = model_dir.rename(model_dir.with_name("a b"))
    with pytest.raises(InputError, match="may hold letters, digits"):
        write(tmp_path, strange)


def test_the_job(tmp_path, model_dir):
    command = [sys.executable, "-m", "export.write_deployment"]
    flags = [f"--model_dir={model_dir}", f"--output_dir={tmp_path / 'deploy'}"]
    done = subprocess.run(
        [*command, *flags, "--stable_version=1", "--canary_version=2"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "stable = 1, canary = 2." in done.stdout
    assert sorted(p.name for p in (tmp_path / "deploy").iterdir()) == sorted(
        writing.FILES
    )
