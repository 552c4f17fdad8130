"""A residual network of torchvision, without weights, for small images."""

import torch
import torchvision
from torch import nn


class ResNet(nn.Module):
    """ResNet-18 with `blocks=2`; its first layer takes as many channels as the images have."""

    def __init__(self, shape: tuple[int, int, int], classes: int, blocks: int = 2) -> None:
        super().__init__()
        block = torchvision.models.resnet.BasicBlock
        self.net = torchvision.models.ResNet(block, [blocks] * 4, classes)
        self.net.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images)
