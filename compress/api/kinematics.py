"""compress.kinematics: joint angles and angular velocities from a video."""

from pathlib import Path

from compress.api.models import LoadedModel, load
from compress.common.progress import Reporter
from compress.kinematics.output_folder import find_video
from compress.kinematics.pipeline import KinematicsCall, KinematicsResult, PersonChoice, run_kinematics
from compress.run.model_lookup import default_model
from eval.inference import Inference
from eval.kinematic_settings import KinematicsSettings
from teachers.common.files import short_name


def kinematics(  # noqa: PLR0913 - all but two by name only
    video: str | Path,
    model: str | Path | LoadedModel | None = None,
    *,
    out: str | Path | None = None,
    person: PersonChoice = "highest_likelihood",
    inference: Inference | None = None,
    time_range_s: tuple[float, float] | None = None,
    slowmo_factor: float = 1.0,
    settings: KinematicsSettings | None = None,
    overlay: bool = True,
) -> KinematicsResult:
    """Follows the people of a video and writes their joint angles (degrees) and angular velocities (degrees/s).

    model: as `compress.load`; if left out, the best candidate of the newest run, else the teacher.
    inference: scales of the whole frame, or a window that follows each person; if left out, as the model says.
    out: where files go; kinematics/ and the video's stem if left out. overlay: also write the drawn video.
    time_range_s: as the video plays. slowmo_factor: how many times slower than life it plays.
    settings: filter, gaps and the visible side. Raises UserError for a video, model or person that cannot be.

    >>> found = compress.kinematics("sports2d-demo", "openpose-mobilenet-thin", time_range_s=(0, 2))
    >>> found.measured[0].found.names
    """
    name, path = find_video(str(video))
    loaded = model if isinstance(model, LoadedModel) else load(default_model().model if model is None else model)
    call = KinematicsCall(
        name=name,
        video=path,
        model=loaded.model,
        out=Path("kinematics") / short_name(Path(name).stem) if out is None else Path(out),
        person=person,
        settings=settings or KinematicsSettings(),
        inference=inference or loaded.model.usual_inference,
        time_range=time_range_s,
        slowmo_factor=slowmo_factor,
        overlay=overlay,
    )
    return run_kinematics(call, Reporter())
