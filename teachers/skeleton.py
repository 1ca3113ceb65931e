"""Skeletons: what the channels of heatmaps and part affinity fields (PAFs) stand for.

Heatmap channel k is keypoint k, the background comes last. PAF channels 2i and 2i+1 are x and y of limb i, in the
order in which Cao et al. trained (their `vec` order), so no second table maps limbs to channels. OpenPose numbers its
PAFs the same way from the first PAF channel on (POSE_MAP_INDEX in src/openpose/pose/poseParameters.cpp); in its joined
output, and in its early releases' tables, the heatmaps come first: 19 channels for COCO, 16 for MPI.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Index = Annotated[int, Field(ge=0)]
Pair = tuple[Index, Index]


class Skeleton(BaseModel):
    """Keypoints, limbs, left/right pairs and OKS sigmas of one labelling convention."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[Pair, ...]
    mirror_pairs: tuple[Pair, ...]
    """Keypoints that change places when the image is flipped left to right."""
    sigmas: tuple[float, ...]
    """Per keypoint, the spread of human labels relative to object scale (COCO's OKS constants)."""

    @model_validator(mode="after")
    def _consistent(self) -> "Skeleton":
        count = len(self.keypoints)
        if len(self.sigmas) != count:
            raise ValueError(f"sigmas: expected {count}, one for each keypoint, got {len(self.sigmas)}")
        for name, pairs in (("limbs", self.limbs), ("mirror_pairs", self.mirror_pairs)):
            for pair in pairs:
                if max(pair) >= count:
                    raise ValueError(f"{name}: {pair} names a keypoint beyond the {count} there are")
        return self

    @property
    def heatmap_channels(self) -> int:
        """K keypoints and the background."""
        return len(self.keypoints) + 1

    @property
    def paf_channels(self) -> int:
        """Two for each limb: x and y."""
        return 2 * len(self.limbs)

    def index(self, keypoint: str) -> int:
        """The heatmap channel of a keypoint; KeyError names the ones there are."""
        if keypoint not in self.keypoints:
            raise KeyError(f"{self.name} has no keypoint {keypoint!r}; it has {', '.join(self.keypoints)}")
        return self.keypoints.index(keypoint)


COCO_18 = Skeleton(
    name="coco-18",
    keypoints=(
        "nose",  # 0
        "neck",  # 1, the middle of the shoulders; COCO does not label it
        "right_shoulder",  # 2
        "right_elbow",  # 3
        "right_wrist",  # 4
        "left_shoulder",  # 5
        "left_elbow",  # 6
        "left_wrist",  # 7
        "right_hip",  # 8
        "right_knee",  # 9
        "right_ankle",  # 10
        "left_hip",  # 11
        "left_knee",  # 12
        "left_ankle",  # 13
        "right_eye",  # 14
        "left_eye",  # 15
        "right_ear",  # 16
        "left_ear",  # 17
    ),
    limbs=(
        (1, 8),  # 0   neck - right hip
        (8, 9),  # 1   right hip - right knee
        (9, 10),  # 2   right knee - right ankle
        (1, 11),  # 3   neck - left hip
        (11, 12),  # 4   left hip - left knee
        (12, 13),  # 5   left knee - left ankle
        (1, 2),  # 6   neck - right shoulder
        (2, 3),  # 7   right shoulder - right elbow
        (3, 4),  # 8   right elbow - right wrist
        (2, 16),  # 9   right shoulder - right ear
        (1, 5),  # 10  neck - left shoulder
        (5, 6),  # 11  left shoulder - left elbow
        (6, 7),  # 12  left elbow - left wrist
        (5, 17),  # 13  left shoulder - left ear
        (1, 0),  # 14  neck - nose
        (0, 14),  # 15  nose - right eye
        (0, 15),  # 16  nose - left eye
        (14, 16),  # 17  right eye - right ear
        (15, 17),  # 18  left eye - left ear
    ),
    mirror_pairs=((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)),
    sigmas=(
        0.026,  # nose
        0.079,  # neck: COCO has none; the shoulders' value, since it is their midpoint
        0.079, 0.072, 0.062,  # right shoulder, elbow, wrist
        0.079, 0.072, 0.062,  # left shoulder, elbow, wrist
        0.107, 0.087, 0.089,  # right hip, knee, ankle
        0.107, 0.087, 0.089,  # left hip, knee, ankle
        0.025, 0.025,  # eyes
        0.035, 0.035,  # ears
    ),
)  # fmt: skip

MPI_15 = Skeleton(
    name="mpi-15",
    keypoints=(
        "head",  # 0, its top
        "neck",  # 1
        "right_shoulder",  # 2
        "right_elbow",  # 3
        "right_wrist",  # 4
        "left_shoulder",  # 5
        "left_elbow",  # 6
        "left_wrist",  # 7
        "right_hip",  # 8
        "right_knee",  # 9
        "right_ankle",  # 10
        "left_hip",  # 11
        "left_knee",  # 12
        "left_ankle",  # 13
        "chest",  # 14, OpenPose's name for the point of the trunk that both hips hang on
    ),
    limbs=(  # POSE_MPI_PAIRS_RENDER_GPU of OpenPose's poseParametersRender.hpp; POSE_MAP_INDEX of MPI_15 is 0..27
        (0, 1),  # 0   head - neck
        (1, 2),  # 1   neck - right shoulder
        (2, 3),  # 2   right shoulder - right elbow
        (3, 4),  # 3   right elbow - right wrist
        (1, 5),  # 4   neck - left shoulder
        (5, 6),  # 5   left shoulder - left elbow
        (6, 7),  # 6   left elbow - left wrist
        (1, 14),  # 7   neck - chest
        (14, 8),  # 8   chest - right hip
        (8, 9),  # 9   right hip - right knee
        (9, 10),  # 10  right knee - right ankle
        (14, 11),  # 11  chest - left hip
        (11, 12),  # 12  left hip - left knee
        (12, 13),  # 13  left knee - left ankle
    ),
    mirror_pairs=((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13)),
    sigmas=(
        0.079, 0.079,  # head, neck: COCO has neither; CrowdPose scores both with the shoulders' value
        0.079, 0.072, 0.062,  # right shoulder, elbow, wrist
        0.079, 0.072, 0.062,  # left shoulder, elbow, wrist
        0.107, 0.087, 0.089,  # right hip, knee, ankle
        0.107, 0.087, 0.089,  # left hip, knee, ankle
        0.107,  # chest: no data set scores it; the hips' value, the widest of COCO's, since it has no landmark either
    ),
)  # fmt: skip
"""The keypoints of OpenPose's MPI model (its 15-keypoint variant of MPII)."""
