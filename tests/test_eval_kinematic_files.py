"""The text files of kinematics, read back the way their readers read them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinematic_figures import lose, stamps, walk

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
    write_angles_mot(path, found)
    header, names, rows = read_mot(path)
    assert header[:6] == ["Coordinates", "version=1", "nRows=90", "nColumns=20", "inDegrees=yes", ""]
    assert names[0] == "time" and tuple(names[1:]) == found.names and rows.shape == (90, 20)
    assert rows[:, 0] == pytest.approx(found.times, abs=1e-6)
    assert rows[:, 1:] == pytest.approx(found.filtered, abs=1e-7, nan_ok=True)
    assert np.isnan(rows[50:70, names.index("left elbow")]).all()
    text = "\n".join(header)
    assert "Angles in degrees" in text and "flexion" in text and "facing image right" in text


def test_velocities_and_raw_angles_say_what_they_are(tmp_path: Path, found: Kinematics) -> None:
    write_velocities_mot(tmp_path / "v.mot", found)
    header, names, rows = read_mot(tmp_path / "v.mot")
    assert "deg/s" in "\n".join(header) and "inDegrees=yes" in header and tuple(names[1:]) == found.names
    assert rows[:, 1:] == pytest.approx(found.velocity, abs=1e-7, nan_ok=True)
    write_angles_mot(tmp_path / "r.mot", found, "raw")
    header, names, rows = read_mot(tmp_path / "r.mot")
    assert "neither filled nor filtered" in "\n".join(header)
    assert np.isnan(rows[20:24, names.index("right knee")]).all()


def test_the_header_of_a_frontal_view_says_what_the_columns_then_mean(tmp_path: Path) -> None:
    frontal = analyse(stamps(20), walk(20), COCO_18, KinematicsSettings(visible_side="front"))
    write_angles_mot(tmp_path / "f.mot", frontal)
    text = "\n".join(read_mot(tmp_path / "f.mot")[0])
    assert "Seen from the front" in text and "abduction" in text and "varus" in text


def test_poseaudit_reads_the_mot(tmp_path: Path, found: Kinematics) -> None:
    poseaudit = pytest.importorskip("poseaudit")
    write_angles_mot(tmp_path / "a.mot", found)
    motion = poseaudit.load_mot(tmp_path / "a.mot")
    assert motion.in_degrees and tuple(motion.columns) == found.names
    assert motion.columns["left hip"] == pytest.approx(found.filtered[:, found.names.index("left hip")], abs=1e-7)


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
    elbow = [row for row in rows if row["measure"] == "left elbow" and row["person"] == "1"][60]
    assert (elbow["value_deg"], elbow["velocity_deg_s"], elbow["filled"]) == ("", "", "0")


def test_kinematics_json_holds_settings_gaps_facing_and_what_is_absent(tmp_path: Path, found: Kinematics) -> None:
    content = kinematics_facts([(1, range(90), found)], {"model": "made up", "network_fps": 12.5})
    write_json(tmp_path / "kinematics.json", content)
    read = json.loads((tmp_path / "kinematics.json").read_text())
    assert read["model"] == "made up" and read["format"] == 1 and read["units"]["velocity"] == "deg/s"
    assert read["settings"]["low_pass"] == {"filter": "RauchTungStriebel", "cutoff_hz": 6.0, "confidence_power": 2.0}
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
    write_angles_mot(tmp_path / "a.mot", empty)
    write_px_trc(tmp_path / "a.trc", empty, [7], COCO_18)
    write_long_csv(tmp_path / "a.csv", [(1, [7], empty)])
    content = kinematics_facts([(1, [7], empty)], {})
    write_json(tmp_path / "a.json", content)
    assert content["settings"]["low_pass"]["filter"] == "OneEuro"
    assert content["people"][0]["measures"]["trunk"]["max_deg"] is None
    assert np.isnan(read_mot(tmp_path / "a.mot")[2][0, 1:]).all()
    assert kinematics_facts([], {"video": "empty"})["people"] == []
    unfiltered = replace(empty, settings=KinematicsSettings(low_pass=None))
    assert kinematics_facts([(1, [7], unfiltered)], {})["settings"]["low_pass"] is None
