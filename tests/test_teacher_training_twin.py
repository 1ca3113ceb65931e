"""The tiny twin of recipes/teacher_train.yaml: 130,000 parameters learn four real frames by heart, in half a minute.

The labels are the published teacher's own people, so the frames need no labelling; what the twin finds is compared with
them by OKS, the way candidates are.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from training_labels import write_coco

from compress.cli.main import run_command
from eval.frame_types import Frame
from eval.frames import open_source
from eval.oks import oks
from eval.people import Person
from eval.pose import PoseEstimator
from students.init import fresh_network
from students.repvgg import conv3x3_chain
from teachers.checkpoint import load_model
from teachers.posenet import PoseNet
from teachers.skeleton import COCO_18
from teachers.spec import BackboneSpec, Conv, InputSpec, PoseNetSpec, StageSpec, Tap

FRAMES = (0, 60, 105, 150)
PIECE_HW = (460, 230)  # of the video's pixels, around one person; 368 x 184 for the network
RECIPE = """\
network: {architecture: spec.json}
labels: [frames.json]
validation: {labels: same.json}    # learnt by heart is what is asked for
licence: unknown
schedule: {steps: 180, batch_size: 4, crop: [368, 184], learning_rate: 1.0e-2, ema_decay: 0.9, validate_every: 90}
augmentation: {scale: [1.0, 1.0], rotation_deg: 0, flip: false, brightness: 0, contrast: 0}
"""
Image = NDArray[np.uint8]


class TorchSession:
    """A network without an artefact."""

    def __init__(self, network: PoseNet) -> None:
        self._network = network

    def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.inference_mode():
            maps = self._network(torch.from_numpy(image))
        return maps.heatmaps.numpy(), maps.pafs.numpy()


def people_of(network: PoseNet, image: Image) -> list[Person]:
    return PoseEstimator(TorchSession(network), network.spec)(image).people


def twin_spec() -> PoseNetSpec:
    """Plain 3x3 convolutions of at most 36 channels, two stages."""
    layers = conv3x3_chain([(16, 1, 2), (36, 1, 2), (36, 3, 2)])

    def branch(head: int) -> tuple[Conv, ...]:
        return (Conv(channels=36), Conv(channels=head, kernel=1, pad=(0, 0), relu=False))

    return PoseNetSpec(
        skeleton=COCO_18,
        stride=8,
        input=InputSpec(scale=1 / 256, offset=-0.5),
        backbone=BackboneSpec(name="twin", layers=layers, taps=(Tap(layer=len(layers) - 1),)),
        stages=2 * (StageSpec(paf=branch(COCO_18.paf_channels), heatmap=branch(COCO_18.heatmap_channels)),),
    )


def piece_around(person: Person, image: Image) -> Image:
    seen = person.keypoints[person.keypoints[:, 2] > 0, :2]
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
    top, left = (
        int(np.clip(middle[1 - axis] - PIECE_HW[axis] / 2, 0, image.shape[axis] - PIECE_HW[axis])) for axis in (0, 1)
    )
    return np.ascontiguousarray(image[top : top + PIECE_HW[0], left : left + PIECE_HW[1]])


@pytest.fixture(scope="module")
def labelled(teacher: PoseNet) -> list[tuple[Image, list[Person]]]:
    """Pieces of real frames with the people that the teacher finds in them."""
    frames = [frame for _, frame in open_source("sports2d-demo").read(FRAMES)]
    images = [frame.image for frame in frames if isinstance(frame, Frame)]
    pieces = [piece_around(people_of(teacher, image)[0], image) for image in images]
    found = [(piece, people_of(teacher, piece)) for piece in pieces]
    assert len(found) == len(FRAMES) and all(people for _, people in found)
    return found


def scores(network: PoseNet, labelled: list[tuple[Image, list[Person]]]) -> list[float]:
    """The OKS of each labelled person with the most similar that the network finds; 0 where it finds nobody."""
    best = []
    for image, people in labelled:
        found = people_of(network, image)
        for person in people:
            wanted = person.keypoints.copy()
            wanted[COCO_18.index("neck"), 2] = 0  # which labels do not have
            best.append(max([oks(wanted, other.keypoints, COCO_18) for other in found], default=0.0))
    return best


def test_four_frames_are_learnt_by_heart(
    labelled: list[tuple[Image, list[Person]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = twin_spec()
    assert 90_000 < sum(parameter.numel() for parameter in PoseNet(spec).parameters()) < 150_000
    assert max(scores(fresh_network(spec, 0), labelled)) == 0, "what knows nothing must find nobody"
    for name in ("frames.json", "same.json"):
        write_coco(tmp_path / name, [(image, [one.keypoints for one in people]) for image, people in labelled])
    (tmp_path / "spec.json").write_text(spec.to_json())
    (tmp_path / "x.yaml").write_text(RECIPE)
    assert run_command(["teachers", "train", "x.yaml", "--out", "twin"]) == 0
    network, _ = load_model(tmp_path / "twin")
    found = scores(network, labelled)
    assert len(found) >= len(FRAMES) and min(found) > 0.9, found
    assert all(len(people_of(network, image)) == len(people) for image, people in labelled)
