"""Requests in company are answered as they would be alone."""

import asyncio
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.server import joining
from export.server.batcher import Batcher
from export.server.errors import RequestError
from export.server.signature import Signature, TensorSpec

ROWS = (None,)
TEXT = {"text": TensorSpec("string", ROWS)}


def signature(name, inputs, **outputs):
    return Signature(
        name, inputs, {key: TensorSpec(*spec) for key, spec in outputs.items()}
    )


# As the signatures of `bert_tf.tasks`: one row each, as wide as the text asks, as wide
# as the inputs are, and as wide as the text asks with nothing that says so.
LABEL = signature("label", TEXT, size=("float32", ROWS))
WORDS = signature(
    "words", TEXT, word=("string", (None, None)), place=("int32", (None, None))
)
CHOICES = signature(
    "choices",
    {"choices": TensorSpec("string", (None, None))},
    sizes=("int32", (None, None)),
)
LOGITS = signature("logits", TEXT, logits=("float32", (None, None, 2)))


class Model:
    """Refuses texts with an x, and counts its calls."""

    def __init__(self):
        self.calls = []
        self.open = threading.Event()
        self.open.set()

    def run(self, signature, inputs):
        assert self.open.wait(10)
        values = next(iter(inputs.values()))
        self.calls.append(len(values))
        if any(b"x" in text for text in values.flat):
            raise RequestError(400, "an x")
        if signature.name == "label":
            return {"size": np.array([len(text) for text in values], np.float32)}
        if signature.name == "choices":
            return {"sizes": np.vectorize(len, otypes=[np.int32])(values)}
        words = [text.split() for text in values]
        width = max(map(len, words), default=0)
        if signature.name == "logits":
            return {"logits": np.ones([len(values), width, 2], np.float32)}
        table = np.full([len(values), width], b"", object)
        places = np.zeros([len(values), width], np.int32)
        for row, line in enumerate(words):
            table[row, : len(line)] = line
            places[row, : len(line)] = range(len(line))
        return {"word": table, "place": places}


def strings(values):
    array = np.empty(np.shape(values), object)
    array[...] = np.array(values, object).reshape(array.shape)
    return array


texts = st.lists(st.sampled_from([b"", b"a", b"a b", b"b c d", b"x y"]), max_size=3)
requests = st.one_of(
    st.tuples(
        st.sampled_from([LABEL, WORDS, LOGITS]),
        texts.map(lambda t: {"text": strings(t)}),
    ),
    st.tuples(
        st.just(CHOICES),
        st.lists(st.tuples(st.just(b"a"), st.just(b"bb")), min_size=1, max_size=2).map(
            lambda rows: {"choices": strings(rows)}
        ),
    ),
)


def started(max_batch_size, max_delay, max_queue=9):
    """A batcher, and the task in which it works."""
    batcher = Batcher(
        max_batch_size=max_batch_size,
        max_delay=max_delay,
        max_queue=max_queue,
        observe=lambda rows, seconds: None,
    )
    return batcher, asyncio.create_task(batcher.work())


async def answers(model, given, **options):
    """What requests that wait at the same moment are answered."""
    options = {"max_batch_size": 4, "max_delay": 0.0, "max_queue": 100, **options}
    batcher, worker = started(**options)
    try:
        return await asyncio.gather(
            *(batcher.answer(model.run, sig, inputs) for sig, inputs in given),
            return_exceptions=True,
        )
    finally:
        worker.cancel()


def alone(signature, inputs):
    try:
        return Model().run(signature, inputs)
    except RequestError as error:
        return error


@settings(max_examples=100, deadline=None)
@given(st.lists(requests, min_size=1, max_size=8))
def test_company_changes_no_answer(given):
    found = asyncio.run(answers(Model(), given))
    for (signature, inputs), answer in zip(given, found, strict=True):
        expected = alone(signature, inputs)
        if isinstance(expected, RequestError):
            assert isinstance(answer, RequestError)
            assert answer.message == expected.message
            continue
        assert answer.keys() == expected.keys()
        for name in expected:
            assert answer[name].shape == expected[name].shape
            assert answer[name].tolist() == expected[name].tolist()


def text(*values):
    return {"text": strings(values)}


def test_what_waits_together_runs_together():
    model = Model()
    asyncio.run(answers(model, [(LABEL, text(b"a"))] * 3 + [(WORDS, text(b"b"))]))
    assert model.calls == [3, 1]


def test_a_batch_is_as_large_as_it_may_be():
    model = Model()
    asyncio.run(answers(model, [(LABEL, text(b"a", b"b"))] * 3))
    assert model.calls == [4, 2]
    model = Model()
    asyncio.run(answers(model, [(LABEL, text(*[b"a"] * 9)), (LABEL, text(b"a"))]))
    assert model.calls == [9, 1]


def test_a_bad_request_fails_alone():
    model = Model()
    good, bad, last = asyncio.run(
        answers(model, [(LABEL, text(b"a")), (LABEL, text(b"x")), (LABEL, text(b"b"))])
    )
    assert model.calls == [3, 1, 1, 1]
    assert good["size"] == last["size"] == [1]
    assert bad.message == "an x"


def test_inputs_of_different_widths_are_not_joined():
    model = Model()
    given = [
        (CHOICES, {"choices": strings([[b"a", b"b"]])}),
        (CHOICES, {"choices": strings([[b"a", b"b", b"c"]])}),
    ]
    asyncio.run(answers(model, given))
    assert model.calls == [1, 1]


def test_an_idle_model_waits_as_long_as_it_is_told():
    async def one_after_the_other(delay):
        model = Model()
        batcher, worker = started(2, delay)
        first = asyncio.create_task(batcher.answer(model.run, LABEL, text(b"a")))
        await asyncio.sleep(0.05)
        await batcher.answer(model.run, LABEL, text(b"b"))
        await first
        worker.cancel()
        return model.calls

    assert asyncio.run(one_after_the_other(60)) == [2]
    assert asyncio.run(one_after_the_other(0)) == [1, 1]


def test_the_queue_is_bounded_and_who_gives_up_leaves_it():
    async def run():
        model = Model()
        model.open.clear()
        batcher, worker = started(1, 0, max_queue=2)

        def ask():
            return asyncio.create_task(batcher.answer(model.run, LABEL, text(b"a")))

        running = ask()
        await asyncio.sleep(0.05)
        waiting = [ask(), ask()]
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="queue is full: 2") as error:
            await batcher.answer(model.run, LABEL, text(b"a"))
        assert error.value.status == 503
        assert error.value.headers == {"Retry-After": "1"}
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert batcher.num_waiting == 1
        model.open.set()
        await asyncio.gather(running, waiting[1])
        worker.cancel()
        assert model.calls == [1, 1]

    asyncio.run(run())


@pytest.fixture
def shallow():
    """A stack on which few calls have room."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    yield
    sys.setrecursionlimit(limit)


def test_any_number_of_requests_may_give_up_one_after_the_other(shallow):
    async def run():
        batcher, worker = started(2, 0.001)
        model = Model()
        for _ in range(250):
            asked = asyncio.create_task(batcher.answer(model.run, LABEL, text(b"a")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.sleep(0.0015)
        answer = asyncio.create_task(batcher.answer(model.run, LABEL, text(b"a")))
        await asyncio.wait({answer, worker}, return_when=asyncio.FIRST_COMPLETED)
        assert not worker.done()
        worker.cancel()
        assert (await answer)["size"] == [1]

    asyncio.run(run())


def test_a_defect_of_the_model_ends_nothing():
    def broken(signature, inputs):
        raise KeyError("gone")

    async def run():
        batcher, worker = started(4, 0)
        with pytest.raises(RequestError, match="The model failed: 'gone'") as error:
            await batcher.answer(broken, LABEL, text(b"a"))
        assert error.value.status == 500
        answer = await batcher.answer(Model().run, LABEL, text(b"a"))
        worker.cancel()
        assert answer["size"] == [1]

    asyncio.run(run())


def test_outputs_that_have_no_rows_are_asked_for_one_by_one():
    assert joining.split(LABEL, {"size": np.ones(1)}, [1, 1]) is None
    fixed = signature("fixed", {"x": TensorSpec("int32", (1,))}, y=("float32", ROWS))
    assert joining.key(fixed, {"x": np.ones(1, np.int32)}) is None
    scalar = signature("scalar", TEXT, y=("float32", ()))
    assert joining.key(scalar, text(b"a")) is None
    assert joining.key(LOGITS, text(b"a")) is None
    unlike = {"text": strings([b"a"]), "other": strings([b"a", b"b"])}
    assert joining.key(LABEL, unlike) is None
