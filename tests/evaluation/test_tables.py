"""What is printed: aims beside figures, and what real photos are called."""

import pytest

from evaluation.aims import with_aim
from evaluation.intervals import Interval
from evaluation.rows import Row, row, share
from evaluation.tables import outcome, show


def area(value: float, low: float, high: float) -> Row:
    return row("a/set/auc", value, "area", n=9, interval=Interval(low, high), aim=0.8)


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (area(0.9, 0.85, 0.95), "met"),
        (area(0.9, 0.7, 0.95), "met, open"),
        (area(0.7, 0.6, 0.85), "missed, open"),
        (area(0.7, 0.6, 0.75), "missed"),
        (share("a/all_real/false_alarms", 0, 400, aim=0.01), "met"),
        (share("a/all_real/false_alarms", 0, 40, aim=0.01), "met, open"),
        (share("a/all_real/false_alarms", 1, 40, aim=0.01), "missed, open"),
        (share("a/all_real/false_alarms", 20, 40, aim=0.01), "missed"),
        (share("a/set/findings", 0, 40, aim=0.0), "met"),
        (share("a/set/recall", 1, 4), ""),
        (share("a/set/recall", 0, 0, aim=0.5), ""),
    ],
)
def test_an_aim_is_met_missed_or_open(figure: Row, said: str) -> None:
    assert outcome(figure) == said


def test_the_aim_on_real_photos_holds_in_worsened_copies_and_for_the_report() -> None:
    for name in ("a/all_real", "a/all_real+jpeg60", "fusion/all_real"):
        assert with_aim(share(f"{name}/false_alarms", 0, 9))["aim"] == 0.01
    for name in ("a/sg2_faces/false_alarms", "a/all_real/coverage", "a/sg2_faces+crop/false_alarms"):
        assert with_aim(share(name, 0, 9))["aim"] is None


def test_real_photos_have_a_table_with_the_price_in_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [area(0.9, 0.7, 0.95), share("a/set+crop/coverage", 3, 4)]
    for name, alarms in (("a/all_real", 0), ("b/all_real", 0), ("a/all_real+crop", 8)):
        rows += [with_aim(share(f"{name}/false_alarms", alarms, 400)), share(f"{name}/coverage", 300, 400)]
    show(rows)
    plain, worsened, real = capsys.readouterr().out.split("\n\n")
    assert words(plain)[1] == "a/set/auc 0.9 0.700 to 0.950 area 0.8 met, open 9"
    assert [line.split()[0] for line in words(worsened)[1:]] == ["a/set+crop"]
    assert words(real)[1:] == [
        "a 0.0 0.000 to 0.009 0.01 met 0.75 0.705 to 0.792 400",
        "a+crop 0.02 0.009 to 0.039 0.01 missed, open 0.75 0.705 to 0.792 400",
        "b 0.0 0.000 to 0.009 0.01 met 0.75 0.705 to 0.792 400",
    ]


def words(table: str) -> list[str]:
    return [" ".join(line.split()) for line in table.splitlines()]
