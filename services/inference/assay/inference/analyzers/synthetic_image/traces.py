"""A small convolutional network on differences of neighbouring pixels.

Sources: Tan et al., "Rethinking the up-sampling operations in CNN-based generative network for generalizable
deepfake detection", CVPR 2024 (neighbouring pixels, full resolution in the first layers); Fridrich and Kodovsky, "Rich
models for steganalysis of digital images", 2012 (the differences, truncated); He et al., "Deep residual learning for
image recognition", CVPR 2016 (shortcuts).

Where the processor multiplies bfloat16, a trained network convolves in it (`halve`), so log-odds of a picture differ by
up to 0.02 from one kind of machine to another.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_WIDTHS = (32, 48, 96)
_STEP, _FARTHEST = 3.0, 2.0


class Residual(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = layer(width, width)
        self.second = nn.Sequential(conv(width, width), nn.BatchNorm2d(width))

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape."""
        return torch.relu(inputs + self.second(self.first(inputs)))


def conv(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, less its stride."""
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)


def layer(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution, normalised and rectified."""
    return nn.Sequential(conv(inputs, outputs, side, stride), nn.BatchNorm2d(outputs), nn.ReLU())


def differences() -> Tensor:
    """Stencils of the differences at each pixel of a cell of 2 x 2: (40, 3, 4, 4), for a convolution with stride 2.

    Of luma: first and second differences along rows and columns, across both, along a diagonal. Of red and blue less
    green: second differences along rows and across both.
    """
    one = torch.tensor
    row, column = one([[0, 0, 0], [0, -1, 1], [0, 0, 0]]), one([[0, 0, 0], [0, -1, 0], [0, 1, 0]])
    rows, columns = one([[0, 0, 0], [1, -2, 1], [0, 0, 0]]), one([[0, 1, 0], [0, -2, 0], [0, 1, 0]])
    across, diagonal = one([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]), one([[1, 0, 0], [0, -2, 0], [0, 0, 1]])
    luma, red, blue = one([0.3, 0.59, 0.11]), one([1.0, -1.0, 0.0]), one([0.0, -1.0, 1.0])
    seen = [(luma, each) for each in (row, column, rows, columns, across, diagonal)]
    seen += [(plane, each) for plane in (red, blue) for each in (rows, across)]
    stencils = torch.zeros(len(seen), 4, 3, 4, 4)
    for number, (plane, stencil) in enumerate(seen):
        for cell in range(4):
            top, left = divmod(cell, 2)
            stencils[number, cell, :, top : top + 3, left : left + 3] = plane.view(3, 1, 1) * stencil
    return stencils.flatten(0, 1)


class Traces(nn.Module):
    """Log-odds that a crop was made by a generator, learned from pixels.

    forward(pixels): uint8 (N, 3, H, W), RGB at native resolution, H and W even. Returns float32 (N,). It sees truncated
    differences only, never the picture, laid out by cells of 2 x 2, so that nothing of them is thrown away before the
    first convolution.
    """

    differences: Tensor

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = _WIDTHS
        self.register_buffer("differences", differences() / _STEP, persistent=False)
        self.body = nn.Sequential(
            layer(len(self.differences), fine, side=1),
            layer(fine, fine),
            layer(fine, middle, stride=2),
            Residual(middle),
            layer(middle, coarse, stride=2),
            Residual(coarse),
        )
        self.dropped = nn.Dropout(0.2)
        self.out = nn.Linear(2 * coarse, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        values = nn.functional.pad(pixels.float(), (1, 1, 1, 1), mode="reflect")
        # half precision would round the pixels
        with torch.autocast(pixels.device.type, enabled=False):
            seen = nn.functional.conv2d(
                values.contiguous(memory_format=torch.channels_last), self.differences, stride=2
            )
        found = self.body(seen.clamp_(-_FARTHEST, _FARTHEST).to(next(self.body.parameters()).dtype)).float()
        pooled = torch.cat((found.mean((2, 3)), found.amax((2, 3))), 1)
        return self.out(self.dropped(pooled))[:, 0]  # type: ignore[no-any-return]

    def fuse(self) -> None:
        """Draw each normalisation into the convolution before it: a fifth of the time. Only for a trained network."""
        for layers in [module for module in self.modules() if isinstance(module, nn.Sequential)]:
            for number, layer in enumerate(layers):
                if isinstance(layer, nn.BatchNorm2d):
                    convolution = layers[number - 1]
                    assert isinstance(convolution, nn.Conv2d), "a normalisation follows a convolution"
                    layers[number - 1] = fuse_conv_bn_eval(convolution, layer)
                    layers[number] = nn.Identity()

    def halve(self) -> None:
        """Convolve in bfloat16, in half the time, where the processor has instructions for it. Only after `fuse`."""
        if not torch.cpu.get_capabilities().get("avx512_bf16"):
            return
        for layer in self.body.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = _rounded(layer.weight.data)
        self.body.to(torch.bfloat16)


def _rounded(weights: Tensor) -> Tensor:
    """Weights (O, I, H, W) in bfloat16's values. Each error is passed on to the next weight of the same sum.

    What they weigh is never negative, so that errors would add up to a shift.
    """
    sums = weights.permute(0, 2, 3, 1)
    rounded, error = [], torch.zeros(len(sums))
    for weight in sums.flatten(1).unbind(1):
        rounded.append((weight + error).bfloat16().float())
        error += weight - rounded[-1]
    return torch.stack(rounded, 1).view(sums.shape).permute(0, 3, 1, 2)
