"""The fast form of the model says what the readable one says, and has its gradients."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_model import SMALL, VARIANTS, batch, make

from spivae.errors import SpivaeError
from spivae.model.arguments import ModelArgs
from spivae.model.fast import network
from spivae.model.fast import step as fast
from spivae.model.fast.plans import Plan, plan
from spivae.model.fast.rows import stretch
from spivae.model.fast.threads import in_threads, one_thread, parts
from spivae.model.fast.tree import mapped
from spivae.model.losses import Loss, Parts, judged_steps
from spivae.model.paths import forward, gradients, losses, path_of, why_plain
from spivae.model.scaled import build_scaled
from spivae.model.scaled_arguments import ScaledArgs
from spivae.model.vae import WaveNetVAE, build

COVERED = ["default", "mixtures", "wavenet only", "long kernel"]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def stirred(model: WaveNetVAE) -> WaveNetVAE:
    """Weights and biases away from their special initial values."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return model


def latent_noise(model: WaveNetVAE, count: int) -> torch.Tensor:
    return torch.randn(count, model.args.latents, generator=torch.Generator().manual_seed(4))


def far(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference, relative to the largest of the wanted values, or to 0.01 where all are smaller:
    a KL is the difference of terms of order one, of which float32 keeps 1e-7.
    """
    if not wanted.numel():
        return 0.0
    wanted = wanted.detach()
    return float((found.double() - wanted).abs().max() / wanted.abs().max().clamp(min=0.01))


def plain_gradients(model: WaveNetVAE, x: torch.Tensor, noise: torch.Tensor, beta: float) -> Parts:
    loss = Loss(model.receptive_field, model.c_channels, beta)
    found = loss.learnt(model.learn(x, noise), x, judged_steps(model, x))
    found.loss.mean().backward()  # type: ignore[no-untyped-call]
    return found


def assert_equal_to_the_readable_form(
    model: WaveNetVAE, x: torch.Tensor, beta: float = 0.01, floor: float = 0.0
) -> None:
    """Outputs to 1e-5 and gradients to 5e-5 of those of the readable form in float64.

    `floor`, in units of the model's largest gradient, is what float32 leaves where large terms cancel.
    """
    noise = latent_noise(model, len(x))
    exact = copy.deepcopy(model).double()
    wanted = plain_gradients(exact, x.double(), noise.double(), beta)
    said, told = exact(x.double(), noise=noise.double()), fast.forward(model, x, noise)
    for name, value in said._asdict().items():
        if value is not None:
            assert far(getattr(told, name), value) < 1e-5, name
    learnt, lost = fast.gradients(model, x, noise, beta), fast.losses(model, x, noise, beta)
    exact_loss = Loss(model.receptive_field, model.c_channels, beta).parts(said, x.double())
    for found, right in ((learnt, wanted), (lost, exact_loss)):
        for name, value in right._asdict().items():
            assert far(getattr(found, name), value.detach()) < 1e-5, name
    largest = max(float(right.grad.abs().max()) for right in exact.parameters() if right.grad is not None)
    for (name, weight), right in zip(model.named_parameters(), exact.parameters(), strict=True):
        if right.grad is None:
            assert weight.grad is None, name
        else:
            assert weight.grad is not None, name
            error = float((weight.grad - right.grad).abs().max())
            assert error <= max(5e-5 * float(right.grad.abs().max()), floor * largest), name


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", COVERED)
def test_outputs_losses_and_gradients_are_those_of_the_readable_form(name: str, threads: int) -> None:
    torch.set_num_threads(threads)
    assert_equal_to_the_readable_form(stirred(make(**VARIANTS[name])), batch(7))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_default_model_agrees_at_its_full_length(threads: int) -> None:
    """Where a number is nearly zero, or two are nearly equal, float32 may take the other branch of a relu or
    another maximum, and has the gradient of that: seldom, so two models of three must agree.
    """
    torch.set_num_threads(threads)
    failed = []
    for seed in range(3):
        model = stirred(build(ModelArgs(), torch.Generator().manual_seed(seed)))
        try:
            assert_equal_to_the_readable_form(model, 0.3 * batch(70, 399), 1 / 367)
        except AssertionError as error:
            failed.append(error)
    assert len(failed) < 2, failed


@settings(max_examples=20, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "o_dim": st.integers(40, 90),
            "nf": st.lists(st.integers(1, 9), min_size=1, max_size=3),
            "avg_size": st.sampled_from([1, 4, 16, 30]),
            "c_channels": st.sampled_from([0, 1, 2, 8]),
            "z_dim": st.integers(1, 4),
            "res_channels": st.integers(1, 9),
            "skip_channels": st.integers(1, 9),
            "layer_size": st.integers(1, 4),
            "res_kernel_size": st.integers(2, 4),
            "num_mixtures": st.integers(1, 3),
        }
    ),
    st.integers(1, 5),
)
def test_any_arguments_agree(changes: dict[str, Any], count: int) -> None:
    changes["nc_out"] = changes["c_channels"] or 2
    try:
        args = ModelArgs.from_mapping({**SMALL, **changes})
    except SpivaeError:  # a receptive field that is longer than the series
        return
    single, double = (nearest(args, dtype) for dtype in (torch.float32, torch.float64))
    assume(torch.equal(single, double))  # where they differ, there is no exact answer to compare with
    model = stirred(build(args, torch.Generator().manual_seed(1)))
    assert path_of(model) == "fast"
    assert_equal_to_the_readable_form(model, batch(count, args.o_dim), floor=1e-6)


def nearest(args: ModelArgs, dtype: torch.dtype) -> torch.Tensor:
    """Which feature the decoder puts where."""
    positions = torch.arange(2 * args.avg_size, dtype=dtype)[None, None]
    return torch.nn.functional.interpolate(positions, scale_factor=args.conv_out / (2 * args.avg_size)).long()


def test_a_wavenet_alone_takes_series_of_any_length() -> None:
    model = stirred(make(c_channels=0))
    for steps in (20, 300):
        assert far(forward(model, batch(3, steps)).pred, model(batch(3, steps)).pred.double()) < 1e-5


class Changed(WaveNetVAE):
    """An architecture of somebody else's."""

    def predict(self, x: torch.Tensor, c: torch.Tensor | None, g: torch.Tensor | None = None) -> torch.Tensor:
        return 2 * super().predict(x, c, g)


def test_an_architecture_that_the_fast_path_does_not_know_takes_the_readable_one() -> None:
    model = stirred(Changed(make().args))
    assert why_plain(model) == "the fast path does not know a Changed"
    x, noise = batch(), latent_noise(model, 5)
    assert torch.equal(forward(model, x, noise).pred, model(x, noise=noise).pred)


SCALED = {"encoder": (8,), "decoder": (8,), "z_dim": 3, "knots": 5, "linear": 4, "c_channels": 2}
SCALED |= {"res_channels": 4, "skip_channels": 12, "layer_size": 2, "o_dim": 63}


@pytest.mark.parametrize("changes", [{}, {"linear": 0}, {"num_mixtures": 3}, {"whole": False}])
def test_a_scaled_wavenet_vae_agrees(changes: dict[str, Any]) -> None:
    args = ScaledArgs.from_mapping({**SCALED, **changes})
    model = stirred(build_scaled(args, torch.Generator().manual_seed(1)))
    assert path_of(model) == "fast"
    assert_equal_to_the_readable_form(model, 0.05 * batch(5))


@pytest.mark.parametrize("changes", [VARIANTS[name] for name in VARIANTS if name not in COVERED])
def test_what_is_not_covered_takes_the_readable_path_and_says_why(changes: dict[str, Any]) -> None:
    model = make(**changes)
    assert path_of(model) == "plain"
    reason = why_plain(model)
    assert reason is not None
    assert reason.split(":")[0] in changes
    if not model.args.g_channels:
        x, noise = batch(), latent_noise(model, 5)
        wanted = plain_gradients(copy.deepcopy(model), x, noise, 0.1)
        assert torch.equal(gradients(model, x, noise, 0.1).loss, wanted.loss)
        assert torch.equal(losses(model, x, noise, 0.1).nll, wanted.nll)
        assert torch.equal(forward(model, x, noise).pred, model(x, noise=noise).pred)


def test_float64_takes_the_readable_path() -> None:
    model = make().double()
    assert why_plain(model) == (
        "vae.encoder.0.weight: the fast path computes float32 on the CPU, not torch.float64 on cpu"
    )
    assert forward(model, batch().double()).pred.dtype == torch.float64


def test_trajectories_of_a_wrong_length_are_refused_in_words() -> None:
    with pytest.raises(SpivaeError, match="62 displacements do not fit this model: it encodes 63"):
        losses(make(), batch(steps=62))


def test_an_empty_batch_gives_an_empty_output() -> None:
    assert forward(make(), batch(0)).pred.shape == (0, 3, make().args.predicted)


def train(threads: int) -> list[torch.Tensor]:
    torch.set_num_threads(threads)
    model = stirred(make())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(3):
        optimizer.zero_grad()
        x = torch.randn(150, 1, 63, generator=torch.Generator().manual_seed(step))
        gradients(model, x, latent_noise(model, 150), 0.01)
        optimizer.step()
    return [weight.detach() for weight in model.parameters()]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_equal_seeds_and_threads_give_equal_weights_bit_for_bit(threads: int) -> None:
    for first, second in zip(train(threads), train(threads), strict=True):
        assert torch.equal(first, second)


def test_the_number_of_threads_changes_rounding_alone() -> None:
    for one, two in zip(train(1), train(2), strict=True):
        assert torch.allclose(one, two, atol=1e-4)


def test_gradients_add_to_those_that_are_there() -> None:
    model, x = make(), batch()
    noise = latent_noise(model, 5)
    gradients(model, x, noise, 0.1)
    once = [None if weight.grad is None else weight.grad.clone() for weight in model.parameters()]
    gradients(model, x, noise, 0.1)
    for weight, before in zip(model.parameters(), once, strict=True):
        if before is not None and weight.grad is not None:
            assert torch.allclose(weight.grad, 2 * before, rtol=1e-5)


def test_new_weights_are_seen_wherever_they_come_from() -> None:
    torch.set_num_threads(2)
    model, other, x = make(), stirred(make()), batch()
    noise = latent_noise(model, 5)
    gradients(model, x, noise, 0.1)
    model.load_state_dict(other.state_dict())  # into the same memory
    wanted = gradients(other, x, noise, 0.1)
    assert torch.equal(gradients(model, x, noise, 0.1).loss, wanted.loss)
    for weight, right in zip(model.parameters(), make().parameters(), strict=True):
        weight.data = right.data  # memory of its own
    wanted = gradients(make(), x, noise, 0.1)
    assert torch.equal(gradients(model, x, noise, 0.1).loss, wanted.loss)


def test_frozen_weights_get_no_gradient() -> None:
    model = make()
    model.init_conv.weight.requires_grad_(False)
    gradients(model, batch(), latent_noise(model, 5), 0.1)
    assert model.init_conv.weight.grad is None
    assert model.causal.conv.weight.grad is not None


def test_a_trajectory_does_not_depend_on_its_neighbours() -> None:
    model = stirred(make())
    x = batch(6)
    loud = x.clone()
    loud[::2] *= 1e3
    assert torch.allclose(forward(model, loud).pred[1::2], forward(model, x).pred[1::2], atol=1e-6)


def test_predictions_outlive_the_next_ones() -> None:
    model = stirred(make())
    first = forward(model, batch())
    kept = first.pred.clone()
    forward(model, 2 * batch())
    assert torch.equal(first.pred, kept)


def test_backward_after_the_next_pass_is_refused() -> None:
    model = make()
    weights = mapped(fast.leaf, network.prepare(model))
    early = network.output(model, weights, batch(), None)
    network.output(model, weights, batch(), None)
    with pytest.raises(RuntimeError, match="the activations of this pass are gone"):
        early.pred.sum().backward()


def test_answers_carry_no_graph_so_that_no_second_derivative_can_be_asked_of_them() -> None:
    model, x = make(), batch()
    noise = latent_noise(model, 5)
    answers = [forward(model, x, noise), losses(model, x, noise), gradients(model, x, noise, 0.1)]
    assert not any(value.requires_grad for answer in answers for value in answer)  # type: ignore[attr-defined]


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    torch.set_num_threads(2)

    def work(thread: int, rows: slice) -> None:
        raise SpivaeError(f"thread {thread}")

    with pytest.raises(SpivaeError, match="thread 0"):
        in_threads(work, 4)


@pytest.mark.parametrize("failing", [0, 1])
def test_where_a_thread_fails_the_others_are_told_and_waited_for(failing: int) -> None:
    torch.set_num_threads(2)
    told, ended = threading.Event(), threading.Event()

    def work(thread: int, rows: slice) -> None:
        if thread == failing:
            raise SpivaeError("no more")
        if told.wait(10):
            ended.set()

    with pytest.raises(SpivaeError, match="no more"):
        in_threads(work, 4, give_up=told.set)
    assert ended.is_set()


def test_threads_share_all_rows_and_leave_the_number_of_threads_alone() -> None:
    torch.set_num_threads(3)
    seen = in_threads(
        lambda thread, rows: (threading.current_thread().name, torch.get_num_threads(), rows), 8
    )
    assert [rows for *_, rows in seen] == [slice(0, 2), slice(2, 5), slice(5, 8)]
    assert len({name for name, *_ in seen}) <= 3
    assert {inside for _, inside, _ in seen} == {1}
    assert torch.get_num_threads() == 3
    assert threading.current_thread().name not in {name for name, *_ in seen}


def test_small_work_of_one_thread_gives_the_others_back_however_it_ends() -> None:
    def fail() -> None:
        assert torch.get_num_threads() == 1
        raise SpivaeError("no more")

    torch.set_num_threads(3)
    with pytest.raises(SpivaeError), one_thread():
        fail()
    assert torch.get_num_threads() == 3


def test_an_epoch_makes_its_plans_once() -> None:
    """A batch of training, one of validation and its last: parts of three sizes."""
    torch.set_num_threads(1)
    made, model = [], make()
    real = Plan.__init__

    def counted(self: Plan) -> None:
        made.append(type(self).__name__)
        real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "__init__", counted)
        for _ in range(3):
            for n in (31, 32, 33):
                gradients(model, batch(n), latent_noise(model, n), 0.1)
    assert len(made) == len({*made}) * 3


@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 70))
def test_parts_cover_the_rows_and_are_of_nearly_one_size(start: int, count: int, size: int) -> None:
    found = parts(slice(start, start + count), size)
    covered = [row for part in found for row in range(part.start, part.stop)]
    assert covered == list(range(start, start + count))
    sizes = [part.stop - part.start for part in found]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(0, 7), min_size=1, max_size=60).map(sorted), st.integers(1, 3))
def test_stretching_by_parts_gives_what_stretching_at_once_gives(index: list[int], count: int) -> None:
    """With sums of three in place of convolutions."""

    def summed(rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv1d(rows[None, None], torch.tensor([[[4.0, 2.0, 1.0]]]), padding=2)[
            0, 0
        ]

    features = torch.arange(1.0, 9.0)
    wanted = features[torch.tensor(index)]
    for _ in range(count):
        wanted = summed(wanted)
    *maps, last = stretch(torch.tensor(index), 8, count)
    found = features
    for rows in maps:
        found = summed(found[rows])
    assert torch.equal(found[last], wanted)


class Squares(Plan):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.out, self.more = self.take(count, 3), self.take(10)


def test_a_thread_keeps_its_plans_and_forgets_the_oldest() -> None:
    first = plan(Squares, 4)
    assert plan(Squares, 4) is first
    for count in range(5, 30):
        plan(Squares, count)
        assert plan(Squares, 4) is first  # used, so not the oldest
    recent = plan(Squares, 29)
    for count in range(30, 60):
        plan(Squares, count)
    assert plan(Squares, 29) is not recent


def test_the_memory_of_a_plan_begins_with_zeros_at_lines_of_the_cache() -> None:
    made = Squares(1000)
    for taken in (made.out, made.more):
        assert taken.data_ptr() % 64 == 0
        assert not taken.any()
    assert made.more.data_ptr() >= made.out.data_ptr() + made.out.nbytes


def test_a_plan_made_while_nothing_is_learnt_serves_a_training_too() -> None:
    found: list[Parts] = []

    def work() -> None:  # in a thread without plans
        model, x = make(), batch()
        with torch.inference_mode():
            forward(model, x)
        found.append(gradients(model, x, latent_noise(model, 5), 0.1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found


def test_every_thread_has_plans_of_its_own() -> None:
    found: list[Plan] = []
    thread = threading.Thread(target=lambda: found.append(plan(Squares, 4)))
    thread.start()
    thread.join()
    assert found[0] is not plan(Squares, 4)
