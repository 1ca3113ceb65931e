"""The text files of kinematics, read back the way their readers read them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinematic_figures import lose, stamps, walk
from kinematic_walker import doubled, exchanged, jumping_jack, noisy, walker

from eval.filters import OneEuro
from eval.kinematic_files import (
    CSV_COLUMNS,
    kinematics_facts,
    write_angles_mot,
    write_json,
    write_long_csv,
    write_px_trc,
    write_velocities_mot,
)
from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse
from teachers.skeleton import COCO_18


@pytest.fixture(scope="module")
def found() -> Kinematics:
    track = lose(lose(walk(90), slice(20, 24), "right_ankle"), slice(50, 70), "left_wrist")
    return analyse(stamps(90), track, COCO_18, KinematicsSettings())


def read_mot(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    lines = path.read_text().splitlines()
    end = lines.index("endheader")
    rows = np.array([[float(cell) for cell in line.split("\t")] for line in lines[end + 2 :]])
    return lines[:end], lines[end + 1].split("\t"), rows


def test_the_mot_has_opensims_layout_and_counts_time_as_a_column(tmp_path: Path, found: Kinematics) -> None:
    path = tmp_path / "clip_angles_person01.mot"
    written = write_angles_mot(path, found)
    assert [each.name for each in written] == ["clip_angles_person01.mot", "clip_angles_person01_part2.mot"]
    for file, part in zip(written, (slice(0, 50), slice(70, 90)), strict=True):
        header, names, rows = read_mot(file)
        count = part.stop - part.start
        assert header[:6] == ["Coordinates", "version=1", f"nRows={count}", "nColumns=20", "inDegrees=yes", ""]
        assert names == ["time", *(name.replace(" ", "_") for name in found.names)] and "right_knee" in names
        assert rows[:, 0] == pytest.approx(found.times[part], abs=1e-6)
        assert rows[:, 1:] == pytest.approx(found.filtered[part], abs=1e-7)
    text = "\n".join(header)
    assert "Angles in degrees" in text and "flexion" in text and "facing image right" in text


def test_velocities_and_raw_angles_say_what_they_are(tmp_path: Path, found: Kinematics) -> None:
    write_velocities_mot(tmp_path / "v.mot", found)
    header, names, rows = read_mot(tmp_path / "v.mot")
    assert "deg/s" in "\n".join(header) and "inDegrees=yes" in header and "right_knee" in names
    assert rows[:, 1:] == pytest.approx(found.velocity[:50], abs=1e-7)
    write_angles_mot(tmp_path / "r.mot", found, "raw")
    header, names, rows = read_mot(tmp_path / "r.mot")
    assert "not smoothed" in "\n".join(header)
    knee = rows[:, names.index("right_knee")]
    seen = np.delete(np.arange(50), range(20, 24))
    assert knee[seen] == pytest.approx(found.raw[seen, 0], abs=1e-7)
    assert np.diff(knee[19:25]) == pytest.approx(np.full(5, (knee[24] - knee[19]) / 5), abs=1e-6)


def test_a_column_that_is_seldom_seen_is_left_out_and_named(tmp_path: Path) -> None:
    track = lose(lose(walk(90), slice(10, 80), "left_wrist"), slice(40, 55), "right_ankle")
    rare = analyse(stamps(90), track, COCO_18, KinematicsSettings(visible_side="right"))
    written = write_angles_mot(tmp_path / "a.mot", rare)
    assert len(written) == 2
    for file in written:
        header, names, rows = read_mot(file)
        assert "left_elbow" not in names and {"right_knee", "right_elbow"} < set(names)
        assert any(line.startswith("Left out") and "left elbow" in line for line in header)
        assert np.isfinite(rows).all()
    nobody = analyse(stamps(9), lose(walk(9), slice(None)), COCO_18, KinematicsSettings())
    assert write_angles_mot(tmp_path / "b.mot", nobody) == () and not (tmp_path / "b.mot").exists()


def test_opensim_reads_every_row_of_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reader of its GUI and tools (Storage, MarkerData) and that of its scripts (TimeSeriesTable)."""
    monkeypatch.chdir(tmp_path)  # where it leaves its log
    opensim = pytest.importorskip("opensim")
    track = lose(lose(walk(120), slice(20, 24), "right_ankle"), slice(50, 70), "left_wrist")
    track = lose(lose(track, slice(30, 33), "nose"), slice(90, 106))
    found = analyse(stamps(120), track, COCO_18, KinematicsSettings(visible_side="right"))
    rows = 0
    for values, written in (
        (found.filtered, write_angles_mot(tmp_path / "a.mot", found)),
        (found.raw, write_angles_mot(tmp_path / "r.mot", found, "raw")),
        (found.velocity, write_velocities_mot(tmp_path / "v.mot", found)),
    ):
        assert len(written) == 3
        for file in written:
            old, new = opensim.Storage(str(file)), opensim.TimeSeriesTable(str(file))
            labels = [old.getColumnLabels().get(i) for i in range(old.getColumnLabels().size())]
            assert labels[1:] == [name.replace(" ", "_") for name in found.names] == list(new.getColumnLabels())
            assert old.getSize() == new.getNumRows() == len(read_mot(file)[2]) and old.isInDegrees()
            for i in range(new.getNumRows()):
                at = int(np.argmin(np.abs(found.times - new.getIndependentColumn()[i])))
                read = new.getRowAtIndex(i).to_numpy()
                assert np.isfinite(read).all()
                same = np.isfinite(values[at])
                assert read[same] == pytest.approx(values[at][same], abs=1e-6)
                rows += 1
    assert rows > 3 * 75
    marked = 0
    for file in write_px_trc(tmp_path / "p.trc", found, range(120), COCO_18):
        old, new = opensim.MarkerData(str(file)), opensim.TimeSeriesTableVec3(str(file))
        assert list(new.getColumnLabels()) == list(COCO_18.keypoints)
        assert old.getNumFrames() == new.getNumRows() and old.getDataRate() == pytest.approx(30)
        for i in range(new.getNumRows()):
            at = int(np.argmin(np.abs(found.times - new.getIndependentColumn()[i])))
            read = [new.getRowAtIndex(i)[k].to_numpy()[:2] for k in range(18)]
            assert np.array(read) == pytest.approx(found.keypoints[at, :, :2], abs=1e-3, nan_ok=True)
            marked += 1
    assert marked == 104


def test_the_header_of_a_frontal_view_says_what_the_columns_then_mean(tmp_path: Path) -> None:
    frontal = analyse(stamps(20), walk(20), COCO_18, KinematicsSettings(visible_side="front"))
    write_angles_mot(tmp_path / "f.mot", frontal)
    text = "\n".join(read_mot(tmp_path / "f.mot")[0])
    assert "Seen from the front" in text and "abduction" in text and "varus" in text


def test_poseaudit_reads_the_mot(tmp_path: Path, found: Kinematics) -> None:
    poseaudit = pytest.importorskip("poseaudit")
    write_angles_mot(tmp_path / "a.mot", found)
    motion = poseaudit.load_mot(tmp_path / "a.mot")
    assert motion.in_degrees and tuple(motion.columns) == tuple(name.replace(" ", "_") for name in found.names)
    assert motion.columns["left_hip"] == pytest.approx(found.filtered[:50, found.names.index("left hip")], abs=1e-7)


def test_the_trc_has_five_header_lines_pixels_and_y_down(tmp_path: Path, found: Kinematics) -> None:
    path = tmp_path / "clip_px_person01.trc"
    write_px_trc(path, found, range(10, 100), COCO_18)
    lines = path.read_text().splitlines()
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\tclip_px_person01.trc"
    facts = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert facts["Units"] == "px" and facts["NumFrames"] == "90" and facts["NumMarkers"] == "18"
    assert float(facts["DataRate"]) == pytest.approx(30) and facts["OrigDataStartFrame"] == "10"
    assert lines[3].split("\t")[:2] == ["Frame#", "Time"] and lines[3].split("\t")[2::3] == list(COCO_18.keypoints)
    assert lines[4].split("\t")[2:5] == ["X1", "Y1", "Z1"] and lines[4].split("\t")[-1] == "Z18"
    assert len(lines) == 95
    assert {len(line.split("\t")) for line in lines[3:]} == {2 + 3 * 18}
    assert {len(line.split()) for line in lines[5:]} == {2 + 3 * 18}  # some readers split at any white space
    first, inside = lines[5].split("\t"), lines[5 + 60].split("\t")
    assert first[:2] == ["10", "0.000000"]
    assert [float(cell) for cell in first[2:5]] == pytest.approx([*found.keypoints[0, 0, :2], 0], abs=1e-4)
    wrist = 2 + 3 * COCO_18.index("left_wrist")
    assert inside[wrist : wrist + 3] == ["NaN", "NaN", "NaN"]


def test_the_long_csv_has_a_row_for_every_person_frame_and_measure(tmp_path: Path, found: Kinematics) -> None:
    path = tmp_path / "clip_angles.csv"
    write_long_csv(path, [(1, range(90), found), (3, range(5, 95), found)])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS and len(rows) == 2 * 90 * 19
    assert {row["person"] for row in rows} == {"1", "3"} and rows[-1]["frame"] == "94"
    knee = [row for row in rows if row["measure"] == "right knee" and row["person"] == "1"]
    assert [row["filled"] for row in knee[18:26]] == ["0", "0", "1", "1", "1", "1", "0", "0"]
    assert float(knee[5]["value_deg"]) == pytest.approx(found.filtered[5, 0], abs=1e-6)
    assert float(knee[5]["velocity_deg_s"]) == pytest.approx(found.velocity[5, 0], abs=1e-6)
    assert float(knee[5]["confidence"]) == 1.0 and float(knee[21]["confidence"]) == 0.0
    assert {row["view"] for row in rows} == {"right"} and {row["sides"] for row in rows} == {""}
    elbow = [row for row in rows if row["measure"] == "left elbow" and row["person"] == "1"][60]
    assert (elbow["value_deg"], elbow["velocity_deg_s"], elbow["filled"]) == ("", "", "0")


def test_the_table_says_what_was_done_to_the_labels_and_from_where_each_frame_is_seen(tmp_path: Path) -> None:
    track = np.concatenate([noisy(walker(3), 1.0), noisy(jumping_jack(2), 1.0)])
    track = doubled(exchanged(track, slice(20, 26)), slice(70, 78), "right")
    found = analyse(stamps(150), track, COCO_18, KinematicsSettings())
    path = tmp_path / "clip_angles.csv"
    write_long_csv(path, [(1, range(150), found)])
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "left knee"]
    assert [row["view"] for row in rows] == ["right"] * 90 + ["front"] * 60
    assert [i for i, row in enumerate(rows) if row["sides"] == "exchanged"] == list(range(20, 26))
    twice = [i for i, row in enumerate(rows) if row["sides"] == "doubled"]
    assert len(set(twice) & set(range(70, 78))) >= 7
    assert all(rows[i]["filled"] == "1" or rows[i]["value_deg"] == "" for i in twice)
    facts = kinematics_facts([(1, range(150), found)], {})["people"][0]
    assert facts["sides"]["legs"]["exchanged"] == 6 and facts["sides"]["legs"]["doubled"] == len(twice)
    assert [part["view"] for part in facts["views"]["stretches"]] == ["right", "front"]
    assert facts["views"]["stretches"][1]["first_frame"] == 90
    write_angles_mot(tmp_path / "clip.mot", found)
    header = next(tmp_path.glob("clip*.mot")).read_text()
    assert "Views: facing image right (0.00 to 2.97 s), seen from the front (3.00" in header


def test_kinematics_json_holds_settings_gaps_facing_and_what_is_absent(tmp_path: Path, found: Kinematics) -> None:
    content = kinematics_facts([(1, range(90), found)], {"model": "made up", "network_fps": 12.5})
    write_json(tmp_path / "kinematics.json", content)
    read = json.loads((tmp_path / "kinematics.json").read_text())
    assert read["model"] == "made up" and read["format"] == 1 and read["units"]["velocity"] == "deg/s"
    low_pass = {"filter": "RauchTungStriebel", "cutoff_hz": 6.0, "confidence_power": 2.0, "max_variance": 4.0}
    assert read["settings"]["low_pass"] == low_pass
    assert read["settings"]["max_gap_s"] == 0.33 and read["settings"]["visible_side"] == "auto"
    person = read["people"][0]
    assert person["views"]["main"] == "right" and person["fps"] == pytest.approx(30) and person["last_frame"] == 89
    assert person["measures"]["right knee"]["filled_share"] == pytest.approx(4 / 90)
    assert person["measures"]["left elbow"]["empty_share"] == pytest.approx(20 / 90)
    assert person["measures"]["right knee"]["max_deg"] == pytest.approx(60, abs=3)
    assert {"ankle", "foot", "wrist", "hand"} <= set(person["absent"])
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "bad.json", {"value": float("nan")})
    assert not (tmp_path / "bad.json").exists()


def test_an_empty_single_frame_track_can_be_written_too(tmp_path: Path) -> None:
    settings = KinematicsSettings(low_pass=OneEuro())
    empty = analyse(stamps(1), lose(walk(1), slice(None)), COCO_18, settings)
    assert write_angles_mot(tmp_path / "a.mot", empty) == ()  # a file without a row would say nothing
    assert write_px_trc(tmp_path / "a.trc", empty, [7], COCO_18) == ()
    write_long_csv(tmp_path / "a.csv", [(1, [7], empty)])
    content = kinematics_facts([(1, [7], empty)], {})
    write_json(tmp_path / "a.json", content)
    assert content["settings"]["low_pass"]["filter"] == "OneEuro"
    assert content["people"][0]["measures"]["trunk"]["max_deg"] is None
    assert kinematics_facts([], {"video": "empty"})["people"] == []
    unfiltered = replace(empty, settings=KinematicsSettings(low_pass=None))
    assert kinematics_facts([(1, [7], unfiltered)], {})["settings"]["low_pass"] is None
