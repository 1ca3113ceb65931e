"""The section of the report on times from other devices."""

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import NONE, listed, significant
from compress.report.document import Block, Picture
from compress.report.facts import DeviceView, RunView


def device_name(run: int, number: int) -> str:
    """File name, without suffix, of a device's plot."""
    return f"device-{run + 1}-{number + 1}"


def device_blocks(run: RunView, index: int) -> list[Block]:
    """A plot and a table for each file of times; nothing where there is none."""
    blocks: list[Block] = []
    for number, device in enumerate(run.devices):
        if not device.times:
            continue
        if device.plot is not None:
            blocks.append(_picture(device, device_name(index, number)))
        blocks.append(_table(device))
        if device.energy is not None:
            blocks.append(Paragraph(f"Energy there: {device.energy}."))
        if device.unknown:
            blocks.append(Bullets((("Not of this run", listed(device.unknown)),)))
    return blocks


def _picture(device: DeviceView, name: str) -> Picture:
    assert device.plot is not None
    members = listed([point.name for point in device.plot.points if point.on_front])
    alt = f"Time on {device.label} against {device.plot.y.label}. On the front: {members}."
    caption = f"{device.label}: the star is the teacher, grey is not on this device's front."
    if device.plot.left_out:
        caption += f" Not drawn, for want of a value: {listed(device.plot.left_out)}."
    return Picture(name, alt, caption, device.plot)


def _table(device: DeviceView) -> Table:
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
        "Candidate", "Artefact", "Runtime", "Median [ms]", "p90 [ms]", "Ratio (95% interval)", "Energy [mJ]",
        "On the front there",
    )  # fmt: skip
    caption = f"Network time on {device.label}, batch 1; ratios are to {device.reference}"
    return Table(caption, head, rows, key=3, words=(0, 1, 2, 7))
