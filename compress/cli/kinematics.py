"""compress kinematics VIDEO [--model MODEL] [--out DIR]"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.cli.inference_options import add_inference, inference_of
from compress.cli.numbers import Numbers
from compress.cli.paths import a_path
from compress.common.environment import session_threads
from compress.common.progress import Reporter
from compress.kinematics.output_folder import find_video
from compress.kinematics.pipeline import (
    KinematicsCall,
    KinematicsResult,
    PersonChoice,
    Subject,
    run_kinematics,
)
from compress.run.model_lookup import default_model, open_model
from eval.angles import NOT_COMPUTABLE
from eval.filters import Butterworth, OneEuro
from eval.kinematic_settings import VIEWS, KinematicsSettings
from eval.rts_smoother import RauchTungStriebel
from eval.side_search import SideSettings
from teachers.common.errors import UserError
from teachers.common.files import short_name

_JOINTS = ("knee", "hip", "shoulder", "elbow")
_ZERO_LAG: dict[str, type[RauchTungStriebel | Butterworth]] = {"rts": RauchTungStriebel, "butterworth": Butterworth}
_FILTERS = (*_ZERO_LAG, "one-euro", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("video", metavar="VIDEO", help="a video file, or the built-in sample sports2d-demo")
    parser.add_argument(
        "--model", help="a teacher's name, a model's folder or an .onnx file of ours (default: the newest run's best)"
    )
    parser.add_argument("--out", metavar="DIR", type=a_path, help="where files go (default: kinematics/ and the stem)")
    parser.add_argument(
        "--person",
        type=_person,
        default="highest_likelihood",
        metavar="highest_likelihood|largest|N|all",
        help="whose files are written (default: highest_likelihood); N counts from the likeliest, 1",
    )
    _add(parser, "visible-side", choices=VIEWS, default="auto", help="which side the camera sees (default: auto)")
    _add(parser, "cut-off-frequency", type=float, metavar="HZ", help="of the rts or butterworth filter (default: 6)")
    parser.add_argument(
        "--filter",
        type=lambda text: text.replace("_", "-"),
        choices=_FILTERS,
        default="rts",
        help="Rauch-Tung-Striebel smoother weighted by confidence (default), zero-lag Butterworth, causal one-euro, "
        "or none: outliers stay too, short gaps are filled",
    )
    _add(
        parser,
        "swap-repair",
        choices=("on", "off"),
        default="on",
        help="exchange labels of left and right where they jump, drop those that sit on the other limb (default: on)",
    )
    _add(
        parser,
        "time-range",
        action=Numbers,
        exactly=2,
        metavar="S",
        help="START END in seconds; only frames between them",
    )
    _add(
        parser,
        "slowmo-factor",
        type=float,
        default=1.0,
        metavar="F",
        help="how many times slower than life the video plays: 8 for 240 frames a second shown at 30 (default: 1)",
    )
    add_inference(parser)
    parser.add_argument("--threads", type=int, help="of the network (default: all cores)")
    _add(parser, "no-video", action="store_true", help="write no overlay video")


def call(options: argparse.Namespace) -> int:
    """Measures the people of a video; 0 if a person was measured, 1 if none was found."""
    reporter = Reporter()
    settings, time_range = _settings(options), _time_range(options.time_range)
    threads = session_threads(options.threads)
    name, video = find_video(options.video)
    text, reason = options.model, "as asked"
    if text is None:
        chosen = default_model()
        text, reason = chosen.model, chosen.reason
    with reporter.download(f"model {text}") as on_bytes:
        model = open_model(text, threads, on_bytes)
    print(f"model: {text} ({reason}); licence of its weights: {model.licence.name}")
    inference = inference_of(options, model)
    out = options.out or Path("kinematics") / short_name(Path(name).stem)
    result = run_kinematics(
        KinematicsCall(
            name=name,
            video=video,
            model=model,
            out=out,
            person=options.person,
            settings=settings,
            inference=inference,
            time_range=time_range,
            slowmo_factor=options.slowmo_factor,
            overlay=not options.no_video,
        ),
        reporter,
    )
    _tell(result, name, out, reporter)
    return 0 if result.measured else 1


def _add(parser: argparse.ArgumentParser, name: str, **settings: object) -> None:
    """An option whose words may be parted by - or _, as Sports2D's are."""
    parser.add_argument(f"--{name}", f"--{name.replace('-', '_')}", **settings)  # type: ignore[arg-type]


def _person(text: str) -> PersonChoice:
    word = text.replace("-", "_")
    choices: dict[str, PersonChoice] = {"highest_likelihood": "highest_likelihood", "largest": "largest", "all": "all"}
    if word in choices:
        return choices[word]
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be highest_likelihood, largest, all or a number from 1 on, got {text!r}")


def _settings(options: argparse.Namespace) -> KinematicsSettings:
    cut_off = options.cut_off_frequency
    zero_lag = _ZERO_LAG.get(options.filter)
    if cut_off is not None and zero_lag is None:
        raise UserError(f"--cut-off-frequency belongs to --filter rts or butterworth, not to {options.filter}")
    shared = KinematicsSettings(
        visible_side=options.visible_side, swap_repair=SideSettings() if options.swap_repair == "on" else None
    )
    if options.filter == "none":
        return replace(shared, low_pass=None, outliers=None)
    if zero_lag is None:
        return replace(shared, low_pass=OneEuro())
    return replace(shared, low_pass=zero_lag() if cut_off is None else zero_lag(cutoff_hz=cut_off))


def _time_range(given: list[float] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    start, end = given
    if not (0 <= start <= end and math.isfinite(end)):
        raise UserError(f"--time-range: START must not be negative and END not before it, got {start:g} {end:g}")
    return start, end


def _tell(result: KinematicsResult, name: str, out: Path, reporter: Reporter) -> None:
    """What was found, on standard output; what should be seen, as warnings."""
    for problem in result.watched.problems:
        reporter.warn(f"{name}: {problem}")
    if not result.measured:
        reporter.warn(
            f"{name}: no person was found for long enough to be measured; a longer or closer view would do. "
            "Written without angles: the people of each frame, the empty table and kinematics.json"
        )
    for subject in result.measured:
        _tell_person(subject, reporter)
    if result.measured and len(result.measured) < result.people:
        print(f"{result.people} people were found; --person N or --person all writes the others")
    rates = result.watched.rates
    print(
        f"{rates['frames']} frames, {rates['frames_per_second']:.1f} a second in all; "
        f"median of a frame: network {rates['network_ms_median']:.1f} ms, decoding {rates['decoding_ms_median']:.1f} ms"
    )
    print(f"files: {out}")


def _tell_person(subject: Subject, reporter: Reporter) -> None:
    found = subject.found
    print(
        f"person {subject.number}: {found.times[0]:.2f} to {found.times[-1]:.2f} s, "
        f"{found.views.in_words(found.times)} ({found.views.evidence})"
    )
    for limb, counts in (found.sides.counts() if found.sides else {}).items():
        print(f"  {limb}: labels exchanged back in {counts['exchanged']} frames, doubled in {counts['doubled']}")
    for joint in _JOINTS:
        ranges = [_range(found.filtered[:, found.names.index(name)], name) for name in _sides(joint, found.names)]
        if ranges:
            print(f"  {'   '.join(ranges)}")
    missing = [measure for measure in found.absent if measure not in NOT_COMPUTABLE]
    if missing:
        reporter.warn(f"no column for {', '.join(missing)}: {found.absent[missing[0]]} (all reasons: kinematics.json)")
    print(
        f"  no column for {', '.join(NOT_COMPUTABLE)}: they need toes, heels or fingers, which the model does not find"
    )
    for note in found.notes:
        reporter.warn(f"person {subject.number}: {note}")


def _sides(joint: str, names: tuple[str, ...]) -> list[str]:
    return [name for name in (f"right {joint}", f"left {joint}") if name in names]


def _range(values: NDArray[np.float64], name: str) -> str:
    known = values[np.isfinite(values)]
    text = f"{known.min():.0f} to {known.max():.0f} deg" if len(known) else "never seen"
    return f"{name:<14} {text:<18}"
