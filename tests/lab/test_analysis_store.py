from pathlib import Path

from fairshrink.lab.analysis_store import AnalysisPaths, channels_file
from fairshrink.lab.store import RunPaths


def test_an_analysis_lies_in_the_run_folder():
    root, run = Path("run"), RunPaths(Path("run"))
    paths, stage = AnalysisPaths(root), run.stage(2, "scp", 3)
    assert (paths.page, paths.asked) == (root / "analysis.html", root / "analysis/asked.json")
    assert paths.reading(stage, 1, "ab") == root / "analysis/02-scp-fold-1-ab.json"
    assert channels_file(stage.fold(1)) == root / "stages/02-scp/fold-1/channels.json"
