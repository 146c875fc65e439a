"""`TF_CONFIG` as others write it, and as nobody should."""

import json

import pytest

from bert_tf.errors import InputError
from bert_tf.training.cluster import (
    Cluster,
    check_strategy,
    num_processes,
    process_index,
    read_cluster,
    set_cluster,
)

# What Kubeflow's training operator writes for the TFJob "bert" with a chief and two
# workers. Source: kubeflow/training-operator, `genTFConfigJSONStr`.
KUBEFLOW = {
    "cluster": {
        "chief": ["bert-chief-0.research.svc:2222"],
        "worker": [
            "bert-worker-0.research.svc:2222",
            "bert-worker-1.research.svc:2222",
        ],
    },
    "task": {"type": "worker", "index": 1},
    "environment": "cloud",
}

# Google Cloud's, whose `job` is a string of JSON and whose tuning jobs have a `trial`.
# Source: cloud.google.com, "TF_CONFIG and distributed training".
VERTEX_AI = {
    "cluster": {
        "chief": ["cmle-training-chief-8a7c-0:2222"],
        "worker": ["cmle-training-worker-8a7c-0:2222"],
    },
    "environment": "cloud",
    "job": '{"scale_tier": "CUSTOM", "master_type": "n1-standard-8"}',
    "task": {"type": "chief", "index": 0, "trial": "1", "cloud": "p-tp"},
}

# One machine, by the same two.
ALONE = {
    "cluster": {"chief": ["127.0.0.1:2222"]},
    "environment": "cloud",
    "task": {"type": "chief", "index": 0},
}
NO_CLUSTER = {"environment": "cloud", "task": {"type": "master", "index": 0}}


def config(index=0, type_="worker", **cluster):
    cluster = cluster or {"worker": ["a:1", "b:1"]}
    return {"cluster": cluster, "task": {"type": type_, "index": index}}


@pytest.fixture
def tf_config(monkeypatch):
    def write(value):
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv("TF_CONFIG", text)

    monkeypatch.delenv("TF_CONFIG", raising=False)
    return write


@pytest.mark.parametrize(
    ("value", "addresses", "index"),
    [
        (KUBEFLOW, sum(KUBEFLOW["cluster"].values(), []), 2),
        (KUBEFLOW | {"task": {"type": "worker", "index": 0}}, None, 1),
        (KUBEFLOW | {"task": {"type": "chief", "index": 0}}, None, 0),
        (VERTEX_AI, sum(VERTEX_AI["cluster"].values(), []), 0),
        (config(index=1), ["a:1", "b:1"], 1),
        (ALONE, ["127.0.0.1:2222"], 0),
        # The order of the keys means nothing.
        (config(1, worker=["w:1", "v:1"], chief=["c:1"]), ["c:1", "w:1", "v:1"], 2),
    ],
)
def test_the_chief_is_number_0_and_the_workers_follow(
    tf_config, value, addresses, index
):
    tf_config(value)
    assert process_index() == index
    if addresses:
        assert read_cluster() == Cluster(tuple(addresses), index)
        assert num_processes() == len(addresses)
    check_strategy("multi_worker")


def test_tensorflow_numbers_them_the_same(tf_config):
    from tensorflow.python.distribute import multi_worker_util

    for kind, index in (("chief", 0), ("worker", 0), ("worker", 1)):
        tf_config(KUBEFLOW | {"task": {"type": kind, "index": index}})
        number = multi_worker_util.id_in_cluster(KUBEFLOW["cluster"], kind, index)
        assert process_index() == number


@pytest.mark.parametrize("value", ["", " ", "{}", NO_CLUSTER, {"cluster": {}}])
def test_without_a_cluster_there_is_one_process(tf_config, value):
    tf_config(value)
    assert read_cluster() is None
    assert (num_processes(), process_index()) == (1, 0)
    check_strategy("default")
    with pytest.raises(InputError, match="'multi_worker' and 0 workers"):
        check_strategy("multi_worker")


@pytest.mark.parametrize("strategy", ["default", "mirrored", "multi_worker"])
def test_a_cluster_of_one_goes_with_any_strategy(tf_config, strategy):
    tf_config(ALONE)
    check_strategy(strategy)


def test_a_cluster_needs_its_strategy(tf_config):
    tf_config(KUBEFLOW)
    with pytest.raises(InputError, match="'mirrored' and 3 workers"):
        check_strategy("mirrored")


MISTAKES = {
    "no JSON": ("{'cluster': 1}", r"not JSON \(.*Received: {'cluster': 1}"),
    "a list": ([], r"must be a JSON object. Received: \[\]"),
    "deep": ("[" * 100_000, "not JSON"),
    "a cluster that is a list": (
        {"cluster": ["a:1"]},
        "`cluster` must map types to addresses",
    ),
    "parameter servers": (
        config(ps=["p:1"], worker=["w:1"]),
        "`cluster` has 'ps', .* no parameter servers",
    ),
    "an evaluator": (
        config(type_="evaluator"),
        "`task.type` has 'evaluator', .*the training processes evaluate",
    ),
    "an evaluator in the cluster": (
        config(worker=["w:1"], evaluator=["e:1"]),
        "`cluster` has 'evaluator'",
    ),
    "a master": (config(type_="master", master=["m:1"]), "call it 'chief'"),
    "another type": (config(type_="wroker"), "has 'wroker', .*no such type"),
    "a type that is no word": (config(type_=["worker"]), r"has \['worker'\]"),
    "two chiefs": (config(chief=["a:1", "b:1"]), "must have one chief"),
    "no such type in the cluster": (
        config(type_="chief"),
        r"`task.type` must be one of `cluster`'s: \['worker'\]",
    ),
    "index too high": (config(index=2), "`task.index` must be a number from 0 to 1"),
    "index below 0": (config(index=-1), "`task.index` must be a number from 0 to 1"),
    "index in words": (config(index="0"), "`task.index` must be a number from 0 to 1"),
    "index true": (config(index=True), "`task.index` must be a number from 0 to 1"),
    "no task": ({"cluster": {"worker": ["a:1"]}}, "`task` must say this process' type"),
    "no index": (
        {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}},
        "`task` must have the key 'index'",
    ),
    "no type": (
        {"cluster": {"worker": ["a:1"]}, "task": {"index": 0}},
        "`task` must have the key 'type'",
    ),
    "one address in place of a list": (
        config(worker="a:1"),
        "`cluster.worker` must be a list of 'host:port'. Received: 'a:1'",
    ),
    "an address without a port": (
        config(worker=["a"]),
        "must be a list of 'host:port'",
    ),
    "addresses by number": (config(worker={"0": "a:1"}), "a list of 'host:port'"),
    "an address twice": (config(chief=["a:1"], worker=["a:1"]), "has an address twice"),
    "dynamic workers": (
        {"sparseCluster": {"worker": {"0": "a:1"}}, "task": {}},
        "`sparseCluster` .*does not name all workers",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(tf_config, mistake):
    value, message = MISTAKES[mistake]
    tf_config(value)
    for strategy in ("default", "multi_worker"):
        with pytest.raises(InputError, match=f"^TF_CONFIG: .*{message}"):
            check_strategy(strategy)


def test_the_flags_describe_a_cluster(tf_config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "")  # So that what is set here is undone.
    monkeypatch.delenv("TF_CONFIG")
    with pytest.raises(InputError, match="`--task` must be from 0 to 1 .*Received: 2"):
        set_cluster(["a:1", "b:1"], 2)
    with pytest.raises(
        InputError, match=r"`--cluster` must be a list .*\['a', 'b:1'\]"
    ):
        set_cluster(["a", "b:1"], 0)
    with pytest.raises(InputError, match="`--cluster` has an address twice"):
        set_cluster(["a:1", "a:1"], 0)
    set_cluster([], 0)
    assert read_cluster() is None
    set_cluster(["a:1", "b:1"], 1)
    assert read_cluster() == Cluster(("a:1", "b:1"), 1)
    with pytest.raises(InputError, match="Either `--cluster` or the variable"):
        set_cluster(["a:1", "b:1"], 1)
