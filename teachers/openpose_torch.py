"""OpenPose's network as PyTorch ports keep it: the Caffe layers' names, with or without the port's module before them.

`body_pose_model.pth` itself says `conv1_1.weight`; a state dict saved from the module that uses it says
`model0.conv1_1.weight`, `model1_1.conv5_1_CPM_L1.weight` (L1 is the PAF branch, L2 the heatmap branch) to
`model6_2.Mconv7_stage6_L2.bias`.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from teachers.common.errors import UserError
from teachers.openpose_vgg import published_layers, raise_problems, recognise
from teachers.spec import PoseNetSpec

_MODULE = re.compile(r"model\d(_[12])?\.(?=M?conv\d)")


def from_published(tensors: Mapping[str, Tensor], where: str) -> tuple[PoseNetSpec, dict[str, Tensor]]:
    """The spec, and the tensors under our names; their shapes are not compared yet.

    UserError if it is another network; it lists missing and unexpected tensors by their published names.
    """
    published = _without_modules(tensors, where)
    weights = {name: tensor for name, tensor in published.items() if not name.endswith(".bias") and tensor.ndim}
    spec = recognise({name.removesuffix(".weight"): tensor.shape[0] for name, tensor in weights.items()}, where)
    ours = {
        f"{layer}.{leaf}": f"{module}.{leaf}"
        for module, layer in published_layers(spec).items()
        for leaf in ("weight", "bias")
    }
    problems = [f"{name}: missing" for name in ours if name not in published]
    problems += [f"{name}: unexpected" for name in published if name not in ours]
    raise_problems(problems, f"{where}: not the {spec.skeleton.name} network of {len(spec.stages)} stages")
    return spec, {ours[name]: tensor for name, tensor in published.items()}


def _without_modules(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    published: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = _MODULE.sub("", name, count=1)
        if plain in published:
            raise UserError(f"{where}: {plain} is there twice, once as {name}; one of the two would be lost")
        published[plain] = tensor
    return published
