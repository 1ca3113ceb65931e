"""Latency: network time of each input and of a whole frame in each runtime, and on other devices."""

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed, significant, size
from compress.measure.latency_facts import Latencies, Latency
from compress.report.document import Block, Picture
from compress.report.facts import CandidateFacts, DeviceView, RunView
from compress.report.figures.bars import scales_png
from compress.report.figures.pareto import pareto_png
from compress.report.sections.candidate_table import row_of
from compress.results.column_text import ratio_text
from compress.results.sentences import speed


def latency_blocks(run: RunView, name: str) -> list[Block]:
    """The figure is called `name` on disk."""
    if not run.panels:
        return [Paragraph("No times were measured.")]
    panels = run.panels
    alt = f"Bars: median network time of each candidate at {counted(len(panels), 'input size')}."
    caption = "Bars: medians. Whiskers: 90th percentile. Beside each bar: the ratio to the teacher."
    picture = Picture(name, alt, caption, lambda narrow: scales_png(panels, narrow), has_narrow=True)
    return [picture, _per_scale(run), *_summed(run)]


def _per_scale(run: RunView) -> Table:
    """Figure 4 of Jones's paper in numbers: median and 90th percentile at each scale and window."""
    head = ("Candidate", *(f"{panel.title} ({size(panel.input_hw)})" for panel in run.panels))
    rows = []
    for candidate in run.candidates:
        cells = []
        for panel in run.panels:
            timing = next((bar[1] for bar in panel.bars if bar[0] == candidate.record.name), None)
            text = timing and f"{significant(timing.median_ms)} (p90 {significant(timing.p90_ms)})"
            cells.append(text or NONE)
        rows.append(row_of(candidate, cells))
    caption = f"Network time in ms of one input: median, batch 1, {listed(timing_setups(run))}"
    return Table(caption, head, tuple(rows))


def timing_setups(run: RunView) -> list[str]:
    """Runtimes and thread counts of the times that count."""
    found = [latencies.first for c in run.candidates if (latencies := c.record.facts(Latencies)) is not None]
    return sorted({f"{latency.runtime} with {counted(latency.threads, 'thread')}" for latency in found})


def _summed(run: RunView) -> list[Block]:
    """Time of a frame for each runtime and thread count, with the paired ratio."""
    head = ("Candidate", "Time [ms]", "Ratio (95%)", "In words", "Runtime", "Threads", "Rounds")
    rows: list[Row] = []
    disturbed: list[tuple[str, str]] = []
    for candidate in run.candidates:
        measured = candidate.record.facts(Latencies)
        latencies = () if measured is None else measured.runtimes
        rows += [row_of(candidate, _cells(candidate, found)) for found in latencies]
        if not latencies:
            rows.append(row_of(candidate, (NONE,) * 6))
        for found in latencies:
            if found.kept_disturbed:
                rounds = counted(found.kept_disturbed, "round")
                disturbed.append(
                    (candidate.record.name, f"{rounds} stayed disturbed by other load; compare with care.")
                )
    caption = "Network time of one frame, without decoding; candidate time over teacher time"
    blocks: list[Block] = [Table(caption, head, tuple(rows), key=2, words=(0, 3, 4))]
    return [*blocks, Bullets(tuple(disturbed))] if disturbed else blocks


def _cells(candidate: CandidateFacts, found: Latency) -> tuple[str, ...]:
    words = "the reference" if candidate.is_teacher else speed(found)
    return (
        significant(found.total_ms), ratio_text(found), words, found.runtime, str(found.threads), str(found.rounds),
    )  # fmt: skip


def other_devices(run: RunView, prefix: str) -> list[Block]:
    """A plot and a table for each file of `compress bench`; nothing where there is none."""
    blocks: list[Block] = []
    for number, device in enumerate(run.source.devices, 1):
        if not device.times:
            continue
        if device.plot is not None:
            blocks.append(_device_picture(device, f"{prefix}-{number}"))
        blocks.append(_device_table(device))
        if device.energy is not None:
            blocks.append(Paragraph(f"Energy there: {device.energy}."))
        if device.unknown:
            blocks.append(Bullets((("Not of this run", listed(device.unknown)),)))
    return blocks


def _device_picture(device: DeviceView, name: str) -> Picture:
    plot = device.plot
    assert plot is not None
    members = listed([point.name for point, _, _ in plot.front()])
    alt = f"Time on {device.label} against {plot.axes[1].label}. On the front: {members}."
    caption = f"{device.label}. Star: teacher. Grey: not on this device's front."
    if any(time.precision for time in device.times):
        caption += " A rounded artefact stands at the quality of the network that it was exported from."
    if missing := plot.not_shown():
        caption += f" Not drawn, because a value is missing: {listed(missing)}."
    return Picture(name, alt, caption, lambda _: pareto_png(plot))


def _device_table(device: DeviceView) -> Table:
    rows = tuple(
        Row(
            (
                time.candidate,
                time.file,
                time.runtime,
                significant(time.median_ms),
                significant(time.p90_ms),
                f"{time.ratio[0]:.2f}x ({time.ratio[1]:.2f}-{time.ratio[2]:.2f})",
                NONE if time.energy_mj is None else significant(time.energy_mj),
                "yes" if time.on_front else "no",
            ),
            "front" if time.on_front else "plain",
        )
        for time in device.times
    )
    head = (
        "Candidate", "Artefact", "Runtime", "Median [ms]", "p90 [ms]", "Ratio (95%)", "Energy [mJ]",
        "On the front there",
    )  # fmt: skip
    caption = f"Network time on {device.label}, batch 1; ratios are to {device.reference}"
    return Table(caption, head, rows, key=3, words=(0, 1, 2, 7))
