"""The ports compute what their authors' layers do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from analyzers.face_manipulation.made import INCEPTION, MESO4, keras_file, made_weights
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation import mesonet, weights
from assay.inference.analyzers.face_manipulation.blazeface import BlazeFace
from assay.inference.analyzers.face_manipulation.classnseg import Decoder, Encoder, altered
from assay.sdk.torch import load_weights

Maps = NDArray[np.float64]
Layers = dict[str, list[dict[str, Any]]]


def convolved(maps: Maps, layer: dict[str, Any], dilation: int = 1) -> Maps:
    """Keras' Conv2D with `same` padding and ReLU. maps: (H, W, in)."""
    kernel = layer["kernel"].astype(np.float64)
    reach = dilation * (kernel.shape[0] // 2)
    padded = np.pad(maps, ((reach, reach), (reach, reach), (0, 0)))
    height, width = maps.shape[:2]
    total = np.zeros((height, width, kernel.shape[3]))
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            y, x = row * dilation, column * dilation
            total += padded[y : y + height, x : x + width] @ kernel[row, column]
    return np.maximum(total + layer["bias"], 0.0)


def pooled(maps: Maps, layer: dict[str, Any], side: int) -> Maps:
    """BatchNormalization, then MaxPooling2D."""
    scale = layer["gamma"] / np.sqrt(layer["moving_variance"] + 1e-3)
    normal = (maps - layer["moving_mean"]) * scale + layer["beta"]
    height, width, channels = normal.shape
    blocks = normal.reshape(height // side, side, width // side, side, channels)
    strongest: Maps = blocks.max((1, 3))
    return strongest


def inception(maps: Maps, convolutions: list[dict[str, Any]]) -> Maps:
    branches = [convolved(maps, convolutions[0])]
    for dilation in (1, 2, 3):
        narrow, wide = convolutions[2 * dilation - 1 : 2 * dilation + 1]
        branches.append(convolved(convolved(maps, narrow), wide, dilation))
    return np.concatenate(branches, 2)


def computed(layers: Layers, crop: Maps) -> float:
    """The logit of `real`, in the order of the authors' Keras code."""
    convolutions, normals = layers["conv2d"], layers["batch_normalization"]
    if len(convolutions) == 4:
        maps = pooled(convolved(crop, convolutions[0]), normals[0], 2)
        maps = pooled(convolved(maps, convolutions[1]), normals[1], 2)
    else:
        maps = pooled(inception(crop, convolutions[:7]), normals[0], 2)
        maps = pooled(inception(maps, convolutions[7:14]), normals[1], 2)
    maps = pooled(convolved(maps, convolutions[-2]), normals[2], 2)
    maps = pooled(convolved(maps, convolutions[-1]), normals[3], 4)
    hidden = maps.reshape(-1) @ layers["dense"][0]["kernel"] + layers["dense"][0]["bias"]
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    return float((hidden @ layers["dense"][1]["kernel"] + layers["dense"][1]["bias"])[0])


@pytest.mark.parametrize("kernels", [MESO4, INCEPTION], ids=["meso4", "mesoinception4"])
def test_a_mesonet_computes_what_keras_does(tmp_path: Path, kernels: tuple[tuple[int, ...], ...]) -> None:
    chance = np.random.default_rng(3)
    layers = keras_file(tmp_path / "net.h5", kernels, chance)
    network = mesonet.meso4() if kernels == MESO4 else mesonet.meso_inception4()
    mesonet.load_keras(network, tmp_path / "net.h5")
    crops = chance.random((2, 256, 256, 3))
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
    assert logits.tolist() == pytest.approx([computed(layers, crop) for crop in crops], abs=1e-4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    keras_file(tmp_path / "net.h5", INCEPTION, np.random.default_rng(3))
    with pytest.raises(OSError, match="does not hold the weights"):
        mesonet.load_keras(mesonet.meso4(), tmp_path / "net.h5")
    (tmp_path / "text.h5").write_bytes(b"no HDF5")
    with pytest.raises(OSError, match="signature"):
        mesonet.load_keras(mesonet.meso4(), tmp_path / "text.h5")


def test_the_half_that_answers_louder_decides() -> None:
    maps = torch.zeros(3, 128, 16, 16)
    maps[0, :64], maps[1, 64:], maps[2] = 0.5, 0.25, 1.0
    assert altered(maps).tolist() == [0.5, -0.25, 0.0]


def test_a_mask_rests_on_the_louder_half_alone() -> None:
    torch.manual_seed(1)
    decoder, maps = Decoder().eval(), torch.rand(1, 128, 16, 16)
    maps[:, :64] *= 2
    quieter_off = maps.clone()
    quieter_off[:, 64:] = 0
    with torch.inference_mode():
        mask, same, other = decoder(maps), decoder(quieter_off), decoder(maps.flip(1))
    assert mask.shape == (1, 256, 256)
    assert 0.0 <= mask.min() < mask.max() <= 1.0
    assert torch.equal(mask, same)
    assert not torch.allclose(mask, other)


def test_the_encoder_sees_a_normalised_crop() -> None:
    """Moving a crop by the mean of one channel is not the same as moving it by that of another."""
    torch.manual_seed(1)
    encoder = Encoder().eval()
    crops = torch.rand(1, 3, 256, 256)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (crops - mean[:, None, None]) / deviation[:, None, None]
    with torch.inference_mode():
        maps, expected = encoder(crops), encoder.encoder(normal)
    assert maps.shape == (1, 128, 16, 16)
    assert torch.allclose(maps, expected, atol=1e-6)


def test_boxes_of_blazeface_lie_around_its_anchors(tmp_path: Path) -> None:
    files = made_weights(tmp_path)
    network = BlazeFace()
    network.load_state_dict(load_weights(files[weights.BLAZEFACE], "cpu"))
    network.load_anchors(files[weights.ANCHORS])
    with torch.inference_mode():
        boxes, scores = network(torch.full((2, 3, 128, 128), 200.0))
    middles = torch.from_numpy(np.load(files[weights.ANCHORS]))[:, :2]
    assert boxes.shape == (2, 896, 4)
    assert torch.allclose(boxes[1], torch.cat([middles - 0.25, middles + 0.25], 1))
    assert torch.allclose(scores, torch.tensor(5.0).sigmoid())


def test_another_table_of_anchors_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "anchors.npy", np.zeros((10, 4)))
    with pytest.raises(OSError, match=r"shape \(10, 4\)"):
        BlazeFace().load_anchors(tmp_path / "anchors.npy")
