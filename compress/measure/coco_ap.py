"""AP and AR of every candidate against the labels of a COCO keypoint file: the ground truth, where there are labels.

People found are noted image by image, so a killed run goes on; AP itself is computed anew from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from compress.common.document import Block, Paragraph, Table
from compress.common.fact_cache import fact_key
from compress.common.fields import Scale, Text
from compress.common.formatting import NONE, counted, listed
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts, SectionRow
from compress.measure.frames import Data
from compress.measure.pose_inference import Networks, PeoplePass, from_fact, inference_key, to_fact
from compress.steps.base import SettingError
from eval.coco import average_precision
from eval.coco_labels import COCO_17, CocoLabels, lacking, open_labels
from eval.frames import FrameSample, draw_sample
from eval.inference import Inference, in_words
from teachers.common.errors import UserError
from teachers.common.files import sha256_of, user_path
from teachers.spec import PoseNetSpec


class LabelledAp(MetricFacts):
    """COCO's keypoint AP and AR on labelled images, 17 keypoints (neck dropped); None with a reason in `note`."""

    key: ClassVar[str] = "ap"
    labels: str
    run_as: str
    """The scales, or the window."""
    images: Count
    labelled_people: Count
    detections: Count
    ap: float | None
    """Mean over OKS thresholds 0.50, 0.55 to 0.95."""
    ap50: float | None
    ap75: float | None
    ap_m: float | None
    ap_l: float | None
    ar: float | None
    note: str


@dataclass(frozen=True)
class Labelled:
    """A seeded sample of a COCO file's labelled images."""

    labels: CocoLabels
    sample: FrameSample
    digest: str
    """Of the labels' file and the sampled images."""

    def image_ids(self) -> list[int]:
        """The image id of each sampled frame."""
        ids = self.labels.image_ids()
        return [ids[index] for index in self.sample.indices]


def _require_json(path: Path) -> None:
    if not path.is_file() or path.suffix.lower() != ".json":
        raise UserError(
            f"AP needs a COCO keypoint file, {str(path)!r} is none; set measure.ap.labels, or measure.ap to false"
        )


@lru_cache(maxsize=8)
def _misfit(path: Path, stamp: tuple[int, int]) -> str | None:
    """What is wrong with a file of labels, read once for each `stamp`: a search asks for each of its options."""
    try:
        open_labels(path)
    except UserError as error:
        return str(error)
    return None


class ApMetric(Metric):
    """On which labelled images AP is taken."""

    key: ClassVar[str] = "ap"
    description: ClassVar[str] = "AP and AR against labelled keypoints; false leaves them out."
    per_frame: ClassVar[bool] = True
    title: ClassVar[str] = "Average precision"
    sources: ClassVar[tuple[str, ...]] = ("labels",)
    facts: ClassVar[type[MetricFacts]] = LabelledAp
    columns: ClassVar[tuple[Column[LabelledAp], ...]] = (
        Column("ap", lambda found: found.ap, "AP against labels", better="larger"),
    )

    labels: Annotated[
        Text | None, Field(description="A COCO keypoint file; left out, `data.source` if that is one.")
    ] = None
    images: Annotated[
        int, Field(ge=1, le=1_000_000, description="At most, and at most data.images; more is slower and steadier.")
    ] = 100
    scales: Annotated[
        tuple[Scale, ...],
        Field(
            min_length=1,
            max_length=8,
            description="Of networks without an `inference` of their own; more find people of more sizes.",
        ),
    ] = (1.0,)

    def check(self, teacher: PoseNetSpec | None) -> None:
        """AP needs networks that find all of COCO's keypoints; no step changes which ones a network finds."""
        absent = () if teacher is None else lacking(teacher.skeleton)
        if teacher is not None and absent:
            raise SettingError(
                "",
                f"COCO's AP needs its {len(COCO_17)} keypoints, and the teacher's {teacher.skeleton.name} has no "
                f"{', '.join(absent)}; leave measure.ap out",
            )

    def check_source(self, source: str | None) -> None:
        """AP needs a file of COCO's labels."""
        name = self.labels or source
        if name is None:
            return
        path = user_path(name)
        try:
            _require_json(path)
            facts = path.stat()
            misfit = _misfit(path, (facts.st_mtime_ns, facts.st_size))
        except (UserError, OSError) as error:
            misfit = str(error)
        if misfit is not None:
            raise SettingError("labels" if self.labels else "", " ".join(misfit.split()))

    def open(self, data: Data) -> Labelled:
        """UserError if the file has no keypoint labels or none of its images can be read."""
        path = user_path(self.labels or data.source)
        _require_json(path)
        labels = open_labels(path)
        sample = draw_sample(labels.source, min(self.images, data.images), data.seed)
        return Labelled(labels, sample, fact_key(sha256_of(path), sample.digest))

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[LabelledAp]]:
        on = context.opened_for(self, Labelled)
        assert on is not None, "`open` gives it or raises"
        networks = Networks(built[0], built, context.all_stages, context.threads)
        keys = {one.name: self._key(networks, on, one) for one in built}
        # By key: two candidates of the same content, under two names, are measured once.
        different = {keys[one.name]: one for one in built}
        PeoplePass(
            title="people on labelled images",
            frames=on.sample.frames,
            count=len(on.sample.indices),
            scales=self.scales,
            fact=lambda frame, found, _: {"image": frame.name, "people": to_fact(found.people)},
        ).run(networks, different, context.cache, context.reporter)
        return {one.name: self._found(on, one, context.cache.facts(keys[one.name])) for one in built}

    def _found(
        self, on: Labelled, built: Built, facts: Sequence[Mapping[str, list[dict[str, object]]]]
    ) -> Found[LabelledAp]:
        people = [from_fact(fact["people"]) for fact in facts]
        ap = average_precision(on.labels, dict(zip(on.image_ids(), people, strict=True)), built.candidate.spec.skeleton)
        run_as = in_words(built.inference or Inference(scales=self.scales))
        found = LabelledAp(labels=on.labels.name, run_as=run_as, **asdict(ap))
        return Found(found, {"ap": found.note} if found.ap is None else {})

    def _key(self, networks: Networks, on: Labelled, built: Built) -> str:
        teacher, sample = networks.teacher.candidate.id, on.sample.digest
        way = inference_key(built, self.scales)
        return fact_key("labelled", 2, teacher, built.candidate.id, way, sample)

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """One row for each candidate."""
        found = [row.facts for row in rows if row.facts is not None]
        head = ("Candidate", "AP", "AP50", "AP75", "AP medium", "AP large", "AR", "Detections", "Run at")
        text = (
            f"OKS over COCO's 17 keypoints, without the neck, on {listed(sorted({_setup(facts) for facts in found}))}. "
            "These numbers compare with labels, not with the teacher. Do not compare them with those of other images, "
            "input sizes or decoders."
        )
        table = Table(
            "AP by COCO's protocol, 0 to 1",
            head,
            tuple(row.table_row(*_cells(row.facts)) for row in rows),
            key=1,
            words=(0, 8),
        )
        return (table, Paragraph(text), *(Paragraph(note) for note in sorted({facts.note for facts in found} - {""})))


def _cells(facts: LabelledAp | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * 8
    values = (facts.ap, facts.ap50, facts.ap75, facts.ap_m, facts.ap_l, facts.ar)
    return (*(NONE if value is None else f"{value:.3f}" for value in values), str(facts.detections), facts.run_as)


def _setup(facts: LabelledAp) -> str:
    return f"{facts.labelled_people} labelled people in {counted(facts.images, 'image')} of {facts.labels}"
