"""--scales and --roi: how a model is run on a frame, where it shall not be as the model says itself."""

import argparse

from compress.cli.numbers import Numbers
from compress.run.model_lookup import Model
from eval.inference import LARGEST_SCALE, SMALLEST_SCALE, Inference, Roi, check_inference, parse_size
from teachers.common.errors import UserError


def add_inference(parser: argparse.ArgumentParser) -> None:
    """Both options; at most one of them can be given."""
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--scales",
        metavar="S",
        action=Numbers,
        help="run on the whole frame at these scales; maps are averaged over them (default: as MODEL says, else 1)",
    )
    ways.add_argument(
        "--roi",
        metavar="HxW",
        help="run on a window of this size around each person, for example 256x192: fast, and close on the person",
    )


def inference_of(options: argparse.Namespace, model: Model) -> Inference:
    """What the options ask for, else what the model says. UserError for what it cannot be run with."""
    if options.scales is not None:
        # Before pydantic, which would tell a scale out of bounds in words of its own.
        for scale in options.scales:
            if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
                raise UserError(f"--scales: must lie between {SMALLEST_SCALE:g} and {LARGEST_SCALE:g}, got {scale:g}")
        return Inference(scales=tuple(options.scales))
    if options.roi is None:
        return model.usual_inference
    own = model.inference.roi if model.inference is not None else None
    try:
        size = parse_size(options.roi)
        found = Inference(roi=Roi(size=size) if own is None else own.model_copy(update={"size": size}))
        check_inference(found, model.spec)
    except UserError as error:
        raise UserError(f"--roi: {str(error).removeprefix('roi.size: ')}") from error
    return found
