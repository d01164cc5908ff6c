import pytest

from data.checking import photo


@pytest.fixture
def good(tmp_path):
    """Twelve photos, two classes, two sexes, pairs of one lesion; nothing is wrong."""
    folder = tmp_path / "images"
    folder.mkdir()
    lines = ["image,label,sex,age,lesion"]
    for at in range(12):
        (folder / f"p{at:02d}.jpg").write_bytes(photo(at))
        lines.append(f"p{at:02d},{'ab'[at // 2 % 2]},{'fm'[at // 4 % 2]},{20 + 5 * at},L{at // 2}")
    return folder, lines
