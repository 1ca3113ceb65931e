"""A COCO keypoint file as a training set: images with the maps that their labels ask for."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.training.augmentation import Augmentation, Warp, draw
from compress.training.ground_truth import PUBLISHED, GroundTruthSettings, render
from compress.training.samples import TrainingSample
from compress.training.unlabelled import paint
from eval.coco_labels import COCO_17, CocoLabels, open_labels
from eval.frame_types import Unreadable
from eval.maps import input_size, resized
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18, Skeleton


class LabelledSet:
    """The images of a COCO keypoint file, each with its labelled people.

    Raises UserError when the file has no usable labels (eval.coco_labels), and for a skeleton other than COCO-18.
    """

    def __init__(
        self,
        path: Path,
        skeleton: Skeleton,
        stride: int,
        settings: GroundTruthSettings = PUBLISHED,
        multiple: int | None = None,
    ) -> None:
        """multiple: of which heights and widths of whole images are made multiples; the stride unless it is given."""
        if skeleton != COCO_18:
            raise UserError(
                f"{path}: COCO's labels can be learnt as {COCO_18.name} only, the network has {skeleton.name}; "
                f"give labels to a network of {COCO_18.name}, or train without labels"
            )
        self._labels: CocoLabels = open_labels(path)
        self._image_ids = self._labels.image_ids()
        self._annotations: dict[int, list[Mapping[str, Any]]] = {image_id: [] for image_id in self._image_ids}
        for annotation in self._labels.annotations:
            if annotation["image_id"] in self._annotations:
                self._annotations[annotation["image_id"]].append(annotation)
        self._stride, self._multiple = stride, multiple or stride
        self._settings = settings

    def __len__(self) -> int:
        return len(self._image_ids)

    def names(self) -> list[str]:
        """The images' names, in the file's order."""
        return self._labels.source.names()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names, the labels and the content of all images; the same on every machine."""
        source = self._labels.source
        content = [
            [name, source.fingerprint(index), self._annotations[self._image_ids[index]]]
            for index, name in enumerate(self.names())
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def sample(
        self, index: int, change: Warp | Augmentation, crop_hw: tuple[int, int], rng: np.random.Generator
    ) -> TrainingSample:
        """Image `index`, brought to the height of 368 pixels and then changed, with the maps of the changed labels.

        A warp is applied as it is and brings its own crop_hw; an augmentation is drawn. The maps are rendered from
        moved keypoints, so they are exact. Raises UserError when the image cannot be read.
        """
        image = self._image(index)
        content = resized(image, 1.0)
        hw = (content.shape[0], content.shape[1])
        warp = change if isinstance(change, Warp) else draw(change, hw, crop_hw, rng)
        return self._moved(index, (image.shape[0], image.shape[1]), content, warp)

    def whole(self, index: int) -> TrainingSample:
        """All of image `index` as a network sees it when it is measured: padded at the right and bottom with 128."""
        image = self._image(index)
        image_hw = (image.shape[0], image.shape[1])
        still = Warp(np.eye(2, 3), input_size(image_hw, 1.0, self._multiple).padded_hw)
        return self._moved(index, image_hw, resized(image, 1.0), still)

    def usable(self) -> list[int]:
        """Images whose file is there and that show a labelled person, by index; the others are not used."""
        source = self._labels.source
        return [
            index
            for index, (file, image_id) in enumerate(zip(source.files, self._image_ids, strict=True))
            if _labelled(self._annotations[image_id]) and (source.folder / file).is_file()
        ]

    def _moved(self, index: int, image_hw: tuple[int, int], content: NDArray[np.uint8], warp: Warp) -> TrainingSample:
        """content: the image of image_hw, brought to the height of 368 pixels."""
        hw = (content.shape[0], content.shape[1])
        annotations = self._annotations[self._image_ids[index]]
        people = _people(annotations, hw[0] / image_hw[0], hw[1] / image_hw[1])
        heatmaps, pafs = render(warp.points(people, COCO_18), warp.crop_hw, COCO_18, self._stride, self._settings)
        return TrainingSample(warp.image(content), heatmaps, pafs, self._mask(annotations, image_hw, hw, warp))

    def _image(self, index: int) -> NDArray[np.uint8]:
        for _, frame in self._labels.source.read([index]):
            if isinstance(frame, Unreadable):
                raise UserError(f"{self._labels.name}: {frame.name}: {frame.reason}")
            return frame.image
        raise IndexError(index)

    def _mask(
        self, annotations: list[Mapping[str, Any]], image_hw: tuple[int, int], hw: tuple[int, int], warp: Warp
    ) -> NDArray[np.float32]:
        """The share of each cell without an unlabelled person."""
        rows, columns = warp.crop_hw[0] // self._stride, warp.crop_hw[1] // self._stride
        hidden = [one for one in annotations if one["iscrowd"] or not one["num_keypoints"]]
        if not hidden:
            return np.ones((rows, columns), dtype=np.float32)
        canvas = np.zeros(image_hw, dtype=np.uint8)
        for annotation in hidden:
            paint(canvas, annotation)
        shrunk = cv2.resize(canvas, (hw[1], hw[0]), interpolation=cv2.INTER_NEAREST)
        cropped = cv2.warpAffine(shrunk, warp.matrix, warp.crop_hw[::-1], flags=cv2.INTER_NEAREST)
        shares = cropped.reshape(rows, self._stride, columns, self._stride).mean(axis=(1, 3), dtype=np.float32)
        return np.asarray(1.0 - shares, dtype=np.float32)


def _labelled(annotations: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in annotations if one["num_keypoints"] and not one["iscrowd"]]


def _people(annotations: list[Mapping[str, Any]], factor_y: float, factor_x: float) -> NDArray[np.float64]:
    """(P, 18, 3): the labelled people of one image in pixels of the resized one; a third number of 0 means absent."""
    given = [one["keypoints"] for one in _labelled(annotations)]
    coco = np.array(given, dtype=np.float64).reshape(-1, len(COCO_17), 3)
    # COCO's labels count from a pixel's corner or from its centre, which differ by half a pixel, less than labelling
    # does; here, as in eval.coco, whole numbers are pixel centres.
    coco[..., 0] = (coco[..., 0] + 0.5) * factor_x - 0.5
    coco[..., 1] = (coco[..., 1] + 0.5) * factor_y - 0.5
    people = np.zeros((len(coco), len(COCO_18.keypoints), 3))
    for place, name in enumerate(COCO_17):
        people[:, COCO_18.index(name)] = coco[:, place]
    people[:, COCO_18.index("neck")] = _neck(
        people[:, COCO_18.index("left_shoulder")], people[:, COCO_18.index("right_shoulder")]
    )
    return people


def _neck(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle of the shoulders (P, 3), absent where one of them is."""
    neck = (left + right) / 2
    neck[:, 2] = np.minimum(left[:, 2], right[:, 2])
    return neck
