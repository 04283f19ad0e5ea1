"""The original's .tar files are read exactly as torch reads them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_archives import (
    DATA,
    ORIGINALS,
    SMALL,
    TRAINED,
    call,
    dumps,
    named,
    small_weights,
    storage,
    tensor,
    top,
    write_archive,
    write_original,
)

from spivae.checkpoint import convert, read, read_header
from spivae.checkpoint.arrays import decode
from spivae.errors import SpivaeError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("path", ORIGINALS, ids=lambda path: path.stem)
def test_weights_and_arguments_are_those_that_torch_loads(path):
    ours, theirs = read(path), torch.load(path, weights_only=False)
    assert ours.model_args == theirs["model_args"]
    assert list(ours.weights) == list(theirs["network_state_dict"])
    for name, weight in theirs["network_state_dict"].items():
        assert ours.weights[name].dtype == np.float32
        assert ours.weights[name].tobytes() == weight.numpy().tobytes(), name
    assert ours.ds_args["D"] == theirs["ds_args"]["D"].tolist()
    assert ours.ds_args["alpha"] == theirs["ds_args"]["alpha"].tolist()
    assert {k: v for k, v in ours.ds_args.items() if k not in ("D", "alpha")} == {
        k: v for k, v in theirs["ds_args"].items() if k not in ("D", "alpha")
    }


def test_the_header_says_all_but_the_weights():
    header = read_header(TRAINED)
    assert header.weights is None
    assert header.format == "original"
    assert header.process == "sbm"
    assert header.parameters == 262_885
    assert header.receptive_field == 32
    assert header.beta == 0.005
    assert header.path == str(TRAINED)
    assert [(t.name, t.shape, t.dtype) for t in header.tensors[:2]] == [
        ("vae.encoder.0.weight", (16, 1, 3), "float32"),
        ("vae.encoder.0.bias", (16,), "float32"),
    ]
    assert header.tensors == read(TRAINED).tensors


def test_the_format_is_recognised_by_content_not_by_name(tmp_path):
    renamed = tmp_path / "model.safetensors"
    renamed.write_bytes(TRAINED.read_bytes())
    assert read_header(renamed).format == "original"


@pytest.mark.parametrize("path", ORIGINALS, ids=lambda path: path.stem)
def test_converting_keeps_every_bit_and_every_argument(path, tmp_path):
    new = tmp_path / "new.safetensors"
    written = convert(path, new)
    old, back = read(path), read(new)
    assert (written.format, written.path) == ("spivae", str(new))
    assert back.format == "spivae"
    assert (back.process, back.model_args, back.ds_args) == (old.process, old.model_args, old.ds_args)
    assert list(back.weights) == list(old.weights)
    for name in old.weights:
        assert back.weights[name].tobytes() == old.weights[name].tobytes()
        assert back.weights[name].shape == old.weights[name].shape


@pytest.mark.parametrize("order", ["<", ">"])
def test_files_of_machines_of_either_byte_order_are_read(tmp_path, order):
    weights = small_weights(RNG)
    found = read(write_original(tmp_path / "m.tar", weights, order=order)).weights
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype.isnative


def test_bfloat16_of_either_byte_order_is_decoded():
    values = np.array([1.5, -2.0, 3.140625], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    for order in ("<", ">"):
        stored = halves.astype(halves.dtype.newbyteorder(order)).tobytes()
        np.testing.assert_array_equal(decode(stored, "bfloat16", order), values)


def test_an_unknown_byte_order_is_refused(tmp_path):
    weights = small_weights(RNG)
    state = {name: tensor(storage(str(i), a.size), a.shape) for i, (name, a) in enumerate(weights.items())}
    content = {str(i): a.tobytes() for i, a in enumerate(weights.values())}
    path = write_archive(tmp_path / "m.tar", dumps(top(state)), content, byteorder="middle")
    with pytest.raises(SpivaeError, match="byte order"):
        read(path)


def test_blocks_shared_between_stacks_are_read_once(tmp_path):
    once = small_weights(RNG, stack_size=3)
    repeated = dict(once)
    for name, array in once.items():
        if name.startswith("res_stack."):
            _, index, rest = name.split(".", 2)
            for stack in (1, 2):
                repeated[f"res_stack.{int(index) + 2 * stack}.{rest}"] = array
    assert len(repeated) > len(once)
    for weights in (once, repeated):
        found = read(write_original(tmp_path / "m.tar", weights, stack_size=3))
        assert list(found.weights) == list(once)
        assert [tensor.name for tensor in found.tensors] == list(once)
        assert found.parameters == sum(array.size for array in once.values())


def test_repeats_that_differ_from_the_shared_block_are_refused(tmp_path):
    weights = small_weights(RNG, stack_size=2)
    weights["res_stack.2.conv_res.bias"] = weights["res_stack.0.conv_res.bias"] + 1
    path = write_original(tmp_path / "m.tar", weights, stack_size=2)
    with pytest.raises(SpivaeError, match=r"'res_stack\.2\.conv_res\.bias' should repeat"):
        read(path)


def test_a_model_that_torch_saves_now_is_read(tmp_path):
    """Strided views, parameters, bfloat16 and newer protocols, through torch itself."""
    weights = {name: torch.from_numpy(array) for name, array in small_weights(RNG).items()}
    weights["vae.encoder.0.weight"] = weights["vae.encoder.0.weight"].to(torch.bfloat16)
    weights["causal.conv.weight"] = torch.nn.Parameter(weights["causal.conv.weight"])
    weights["init_conv.weight"] = torch.randn(1, 1, 5)[:, :, 1::2].permute(2, 0, 1)
    weights["vae.decoder.0.weight"] = torch.randn(3, 4, dtype=torch.float64).T[1:3, :1]
    assert not weights["init_conv.weight"].is_contiguous()
    for protocol in (2, 4):
        torch.save(
            {"model_args": SMALL, "ds_args": {"model": "fbm"}, "network_state_dict": weights},
            tmp_path / "m.tar",
            pickle_protocol=protocol,
        )
        found = read(tmp_path / "m.tar")
        assert found.process == "fbm"
        dtypes = {tensor.name: tensor.dtype for tensor in found.tensors}
        assert dtypes["vae.encoder.0.weight"] == "bfloat16"
        assert dtypes["vae.decoder.0.weight"] == "float64"
        for name, weight in weights.items():
            expected = weight.detach().float() if weight.dtype == torch.bfloat16 else weight.detach()
            np.testing.assert_array_equal(found.weights[name], expected.numpy())


def test_numpy_values_in_the_arguments_become_plain_lists_and_numbers(tmp_path):
    given = {
        "model": "sbm",
        "D": np.geomspace(1e-5, 1e-2, 10),
        "table": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "big": np.arange(3, dtype=">f8"),
        "half": np.float16(1.5),
        "n": np.int64(-7),
        "zero_d": np.array(2.5),
        "flag": np.bool_(True),
        "empty": np.zeros((0,)),
        "pair": (1, 2),
    }
    weights = {name: torch.from_numpy(array) for name, array in small_weights(RNG).items()}
    torch.save({"model_args": SMALL, "ds_args": given, "network_state_dict": weights}, tmp_path / "m.tar")
    found = read_header(tmp_path / "m.tar").ds_args
    assert found == {
        "model": "sbm",
        "D": given["D"].tolist(),
        "table": [[0, 1, 2], [3, 4, 5]],
        "big": [0.0, 1.0, 2.0],
        "half": 1.5,
        "n": -7,
        "zero_d": 2.5,
        "flag": True,
        "empty": [],
        "pair": [1, 2],
    }


def _without(name):
    weights = small_weights(RNG)
    del weights[name]
    return weights


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (_without("init_conv.bias"), r"'init_conv\.bias' of shape \(2,\) is missing"),
        (
            {**small_weights(RNG), "rogue": np.zeros(3, np.float32)},
            r"'rogue' of shape \(3,\) does not belong",
        ),
        (
            {**small_weights(RNG), "init_conv.bias": np.zeros((2, 1), np.float32)},
            r"'init_conv\.bias' has shape \(2, 1\), but its arguments ask for \(2,\)",
        ),
        (
            {**small_weights(RNG), "res_stack.2.conv_res.bias": np.zeros(2, np.float32)},
            r"'res_stack\.2\.conv_res\.bias' of shape \(2,\) does not belong",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_arguments_are_named(tmp_path, weights, message):
    path = write_original(tmp_path / "m.tar", weights)
    for reader in (read_header, read):
        with pytest.raises(SpivaeError, match=message):
            reader(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, value):
    weights = small_weights(RNG)
    weights["causal.conv.weight"][1, 0, 1] = value
    path = write_original(tmp_path / "m.tar", weights)
    read_header(path)
    with pytest.raises(SpivaeError, match=r"weights of 'causal\.conv\.weight' are not finite"):
        read(path)


def test_impossible_model_arguments_name_the_file_and_the_argument(tmp_path):
    path = write_original(tmp_path / "m.tar", small_weights(RNG), layer_size=-1)
    with pytest.raises(SpivaeError, match=r"m\.tar: .*layer_size"):
        read_header(path)


@pytest.mark.parametrize("key", ["model_args", "ds_args", "network_state_dict"])
def test_a_torch_file_that_is_no_checkpoint_of_the_original_says_what_it_lacks(tmp_path, key):
    content = top({"a": tensor(storage("0", 1), (1,))})
    del content[key]
    path = write_archive(tmp_path / "m.tar", dumps(content), {"0": bytes(4)})
    with pytest.raises(SpivaeError, match=f"no '{key}'"):
        read_header(path)


def test_unused_globals_of_the_allow_list_do_no_harm(tmp_path):
    content = top({}, ds_args={"model": named("numpy", "ndarray")})
    path = write_archive(tmp_path / "m.tar", dumps(content))
    with pytest.raises(SpivaeError, match=r"ds_args\.model is no plain value"):
        read_header(path)
    content = top({}, ds_args=call("collections", "OrderedDict"))
    with pytest.raises(SpivaeError, match="network_state_dict"):
        read_header(write_archive(tmp_path / "m.tar", dumps(content)))


def test_reference_files_are_all_there():
    assert {path.stem for path in ORIGINALS} == {
        "original_init",
        "original_mixture3",
        "original_sbm_trained",
        "original_wavenet_only",
    }
    assert DATA.is_dir()
