"""The tools beside the node refuse what makes no sense."""

import pytest

from lut_fuse_ros.tools import benchmark


@pytest.mark.parametrize("seconds", ["0", "1.5", "-1", "nan", "inf"])
def test_a_time_in_which_nothing_can_be_measured_is_refused(seconds, capsys):
    with pytest.raises(SystemExit) as ended:
        benchmark.main(["benchmark", "--duration", seconds])
    assert ended.value.code == 2
    assert "it must be 2 seconds or more" in capsys.readouterr().err
