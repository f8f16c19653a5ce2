"""The two networks: ResNet-18 in its usual shape, and one that takes a millisecond or two. Weights are random, seeded.

ResNet-18: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, table 1 and figure 3.
"""

import torch
from torch import Tensor, nn

SEED = 20260101
CLASSES = 2


class Block(nn.Module):
    """Two 3x3 convolutions around which the input goes past."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.past: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.past = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, planes: Tensor) -> Tensor:
        return torch.relu_(self.body(planes) + self.past(planes))


def resnet18() -> nn.Module:
    """float32 (N, 3, 224, 224) to logits (N, CLASSES). 1.8 GFLOP a picture."""
    torch.manual_seed(SEED)
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def small() -> nn.Module:
    """float32 (N, 3, 224, 224) to logits (N, CLASSES), in 2 ms or less a picture on one core."""
    torch.manual_seed(SEED)
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, stride in ((8, 4), (16, 2), (32, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))
