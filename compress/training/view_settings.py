"""Settings of views: random pictures of people, cut from photographs as a tracker's window or a small frame is."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from teachers.common.frozen import Frozen

_Side = Annotated[int, Field(ge=16, le=4096)]
_Size = tuple[_Side, _Side]
_Factor = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Chance = Annotated[float, Field(ge=0, le=1)]


class ViewAugmentation(Frozen):
    """How views are changed at random; teacher and student see the same pixels, so everything is allowed."""

    scale: Annotated[
        tuple[_Factor, _Factor],
        Field(description="Smallest and largest factor on the person's size; values near 1 are drawn most often."),
    ] = (0.5, 2.0)
    rotation_deg: Annotated[
        float, Field(ge=0, le=180, description="Largest turn either way; small ones most often.")
    ] = 30.0
    translation: Annotated[_Share, Field(description="Largest shift either way, as a share of the view's sides.")] = (
        0.25
    )
    flip: Annotated[bool, Field(description="Mirror half of the views.")] = True
    brightness: Annotated[_Share, Field(description="Largest shift of all pixels, as a share of 128.")] = 0.2
    contrast: Annotated[_Share, Field(description="Largest change of the distance from mid grey, as a share.")] = 0.2
    colour: Annotated[_Share, Field(description="Largest change of one colour channel, as a share.")] = 0.1
    blur: Annotated[_Chance, Field(description="How often a view is out of focus.")] = 0.1
    motion_blur: Annotated[_Chance, Field(description="How often a view is blurred along a line.")] = 0.2
    jpeg: Annotated[_Chance, Field(description="How often a view is compressed, at a quality of 30 to 90.")] = 0.2
    cutout: Annotated[_Chance, Field(description="How often one to three rectangles are painted over.")] = 0.1
    mixup: Annotated[_Chance, Field(description="How often another view shines through, by at most a half.")] = 0.1

    @model_validator(mode="after")
    def _rising(self) -> "ViewAugmentation":
        if not self.scale[0] <= 1 <= self.scale[1]:
            raise ValueError(f"scale: 1 must lie between both factors, got {list(self.scale)}")
        return self

    @classmethod
    def mild(cls) -> "ViewAugmentation":
        """What a tracker does to a window, and nothing else: for views that measure."""
        return cls(
            scale=(0.9, 1.15), rotation_deg=0, translation=0.05, flip=False, brightness=0, contrast=0, colour=0,
            blur=0, motion_blur=0, jpeg=0, cutout=0, mixup=0,
        )  # fmt: skip


class Views(Frozen):
    """Shares of both kinds of views, their sizes, and what is done to them."""

    roi: Annotated[float, Field(ge=0, le=1, description="Share of windows around people that the teacher finds.")] = 0.8
    frame: Annotated[float, Field(ge=0, le=1, description="Share of whole frames at low scale.")] = 0.2
    sizes: Annotated[
        tuple[_Size, ...],
        Field(min_length=1, max_length=8, description="Height and width of windows; those that will be measured."),
    ] = ((256, 192), (184, 136))
    frame_size: Annotated[
        _Size, Field(description="Height and width of whole frames, for the pass that finds people.")
    ] = (
        184,
        248,
    )
    margin: Annotated[
        float, Field(ge=1, le=4, description="Sides of a window over those of the box around a person.")
    ] = 1.4
    find_scale: Annotated[
        float,
        Field(gt=0, le=8, description="At which the teacher looks for people; larger finds smaller ones, slower."),
    ] = 0.5
    augmentation: ViewAugmentation = ViewAugmentation()
    on_device: Annotated[
        bool,
        Field(
            description="Views are cut and changed where the network computes, a batch at once, from photographs of at "
            "most 512 pixels in its memory; for a GPU, with `teacher: online`."
        ),
    ] = False

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes without it have the text and the keys that they had before there was such a setting."""
        found: dict[str, Any] = dump(self)
        if not self.on_device:
            found.pop("on_device", None)
        return found

    @model_validator(mode="after")
    def _whole(self) -> "Views":
        if abs(self.roi + self.frame - 1) > 1e-6:
            raise ValueError(
                f"roi and frame are shares of all views; they must sum to 1, got {self.roi + self.frame:g}"
            )
        return self


class Ensemble(Frozen):
    """Which of the teacher's answers to a view are averaged."""

    heights: Annotated[
        tuple[_Side, ...],
        Field(max_length=8, description="Heights to which the view is resized for the teacher; [] takes it as it is."),
    ] = ()
    flip: Annotated[bool, Field(description="Also the mirrored view; twice the time.")] = False

    def passes(self, height: int) -> list[tuple[float, bool]]:
        """Of a view of this height: the factor on its sides, and whether it is mirrored."""
        factors = [wanted / height for wanted in self.heights] or [1.0]
        return [(factor, mirrored) for factor in factors for mirrored in ((False, True) if self.flip else (False,))]


TeacherMode = Literal["online", "cached"]
