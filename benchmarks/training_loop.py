"""Our training loop's images per second beside a bare PyTorch loop over the same network and in-memory tensors.

    python benchmarks/training_loop.py [--steps 8] [--rounds 7] [--batch 4] [--crop 184 248] [--stages 2]
                                       [--threads 2] [--form normed] [--views] [--out training_loop.json]

The student is the published teacher with fewer stages. `bare` has its batches as tensors on the device and does what
cannot be left out: forward, loss, backward, clipping, AdamW. `ours` is compress.training.loop as distill calls it: it
cuts its crops out of a cache on disk, averages the weights, looks at the losses and shows them. Both take the same
number of steps in turn within a round, and the ratio is taken round by round, so that a busy machine slows both; each
turn of ours begins with a few steps that are not counted, so that no batch is ready that was cut in bare's time.
Validations and checkpoints are left out: how many there are is the recipe's choice. With --views, samples are views of
people that the teacher answers online. Bare has their pixels beforehand, and asks the teacher in every step too.

On a GPU it also says how busy that was while our loop ran. Ends with 1 if the median ratio is below 0.95.
"""

import argparse
import copy
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.training import loop
from compress.training.augmentation import Augmentation
from compress.training.batches import Order
from compress.training.frames import DataPart, TrainingPlan
from compress.training.job import TrainingJob
from compress.training.loop import Trainer
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization
from compress.training.schedule import Schedule
from compress.training.student import make_student
from compress.training.teacher_targets import TeacherTargets
from compress.training.view_settings import Views
from eval.allocation import keep_freed_memory
from teachers.common.files import write_text
from teachers.posenet import first_stages
from teachers.registry import load_teacher

ALLOWED = 0.95
FRAMES = 12
FORMS = {
    "plain": Reparameterization(batch_norm=False),
    "normed": Reparameterization(),
    "branches": Reparameterization(branches=True),
}
UNCOUNTED = 5
"""More than the loop prefetches."""


def prepared(options: argparse.Namespace, folder: Path) -> TrainingJob:
    """Frames of the sample video, the teacher's maps of them on disk, and a job of one step more than is measured."""
    teacher = Candidate.of(*load_teacher("openpose-mobilenet-thin"))

    def ask(image: Any) -> Any:
        with torch.inference_mode():
            return tuple(maps.numpy() for maps in teacher.network(torch.from_numpy(image)))

    data = DataPart(source="sports2d-demo", stop=8 * FRAMES, stride=8)
    # One size: bare and ours go through different batches, which must cost the same.
    views: dict[str, Any] = (
        {"views": Views(roi=1.0, frame=0.0, sizes=((256, 192),)), "teacher": "online"} if options.views else {}
    )
    plan = TrainingPlan(data=(data,), scales=(0.5, 1.0), flip=False, val_frames=2, **views)
    targets = TeacherTargets(teacher, plan, lambda: ask, folder / "targets", 0, Reporter())
    steps = (UNCOUNTED + options.steps) * options.rounds + 1
    schedule = Schedule(steps=steps, batch_size=options.batch, crop=tuple(options.crop), validate_every=steps)
    return TrainingJob(
        network=first_stages(teacher.network, options.stages),
        samples=targets.views.samples(options.batch)
        if targets.views is not None
        else targets.samples(schedule.crop, Augmentation.none()),
        held_out=targets.held_out[:1],
        energies=targets.energies,
        schedule=schedule,
        loss=LossSettings(),
        reparameterization=FORMS[options.form],
        seed=0,
        ship_stages=options.stages,
        answers=targets.answers(0.0),
    )


def bare_loop(job: TrainingJob, device: torch.device, bf16: bool) -> Callable[[int], None]:
    """Takes so many steps. The batches are on the device beforehand."""
    schedule = job.schedule
    order = Order(job.samples, schedule.batch_size, job.seed)
    batches = [order.batch_of(step, 0).to(device) for step in range(8)]
    student = make_student(job.network, job.reparameterization, job.loss, job.energies, None)
    student.network.calibrate(batches[0].images.cpu())
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    student.to(device).train()
    answers = None if job.answers is None else copy.deepcopy(job.answers).to(device)
    optimiser = torch.optim.AdamW(student.parameters(), schedule.learning_rate)

    def take(steps: int) -> None:
        for step in range(steps):
            batch = batches[step % len(batches)]
            if answers is not None:
                batch = answers(batch)
            with torch.autocast("cuda", torch.bfloat16) if bf16 else nullcontext():
                loss = student(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), schedule.max_grad_norm)
            optimiser.step()
            optimiser.zero_grad()

    return take


class Turns(Reporter):
    """Stands where the loop shows its progress, and lets the bare loop have its turn after so many steps of ours."""

    def __init__(self, options: argparse.Namespace, bare: Callable[[int], None], device: torch.device) -> None:
        super().__init__(quiet=True)
        self._steps, self._bare, self._device = options.steps, bare, device
        self.seconds: list[tuple[float, float]] = []
        """Of ours and bare, round by round."""
        self.busy: list[int] = []
        """Per cent of the time in which the GPU computed, where there is one that can say."""

    def track(self, items: Iterable[Any], title: str, total: int, done: int = 0, detail: Any = None) -> Iterator[Any]:
        """Passes the loop's batches on."""
        started = 0.0
        for number, item in enumerate(items):
            place = number % (UNCOUNTED + self._steps)
            if place == 0 and number:
                ours = self._now() - started
                started = self._now()
                self._bare(self._steps)
                self.seconds.append((ours, self._now() - started))
                print(f"round {len(self.seconds)}: ours {ours:.2f} s, bare {self.seconds[-1][1]:.2f} s", flush=True)
            if place == UNCOUNTED:
                self._look()
                started = self._now()
            yield item
            if detail is not None:
                detail()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _look(self) -> None:
        if self._device.type == "cuda":
            try:
                self.busy.append(torch.cuda.utilization())
            except (ModuleNotFoundError, RuntimeError) as error:
                print(f"how busy the GPU is cannot be told: {error}")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Facts of all rounds."""
    job = prepared(options, folder)
    trainer: Any = Trainer(job, folder / "training", Reporter(quiet=True))
    torch.set_num_threads(options.threads)  # after the trainer, which takes all cores
    device, bf16 = trainer._engine.device, trainer._engine.precision == "bf16"
    bare = bare_loop(job, device, bf16)
    bare(2)
    turns = Turns(options, bare, device)
    trainer._reporter = turns
    loop._SECONDS_BETWEEN_CHECKPOINTS = float("inf")
    trainer.run()
    images = options.steps * options.batch
    ratios = [bare_s / ours_s for ours_s, bare_s in turns.seconds]
    return {
        "ratio": statistics.median(ratios),
        "ratio_smallest": min(ratios),
        "ratio_largest": max(ratios),
        "ours_images_per_s": statistics.median(images / ours_s for ours_s, _ in turns.seconds),
        "bare_images_per_s": statistics.median(images / bare_s for _, bare_s in turns.seconds),
        "gpu_busy_percent": statistics.median(turns.busy) if turns.busy else None,
        "rounds": len(ratios),
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "settings": {name: value for name, value in vars(options).items() if name != "out"},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 8), ("rounds", 7), ("batch", 4), ("stages", 2), ("threads", os.cpu_count() or 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--crop", type=int, nargs=2, default=(184, 248))
    parser.add_argument("--form", choices=list(FORMS), default="normed")
    parser.add_argument("--views", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    print(
        f"{found['device']}: ours {found['ours_images_per_s']:.2f} images/s, bare {found['bare_images_per_s']:.2f}: "
        f"{found['ratio']:.3f} of it ({found['ratio_smallest']:.3f} to {found['ratio_largest']:.3f} "
        f"over {found['rounds']} rounds)"
    )
    if options.out:
        write_text(options.out, json.dumps(found, indent=1) + "\n")
    return 0 if found["ratio"] >= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
