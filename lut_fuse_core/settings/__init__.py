"""Settings: each is declared once, as a field of a frozen dataclass.

A field made by `setting` says everything about itself. From it come the check of its values, the
option of `lut-fuse` (`lut_fuse_core.cli.setting_options`), the ROS parameter with its range and
descriptor (`lut_fuse_ros.parameters`), `config/lut_fuse.yaml` and the table in `docs/ros.md`.

To add a setting, add a field:

    @dataclass(frozen=True)
    class DenoisingConfig:
        '''How infrared noise is reduced.'''

        method: Literal["none", "temporal"] = setting(
            "none", "Noise filter: 'none', or 'temporal' averages over frames.", live=True
        )
        seconds: float = setting(
            0.2, "Time constant of the filter.", unit="s", minimum=0.0, maximum=10.0, live=True
        )

        def __post_init__(self) -> None:
            check_settings(self)  # then what concerns several fields at once

The description is one sentence that also suits a reader of `--help` and of `ros2 param describe`.
Every number has a range. Choices follow from ``Literal``. ``live`` settings may change while the
node runs. A dataclass of settings becomes a group of another by

        denoising: DenoisingConfig = field(default_factory=DenoisingConfig)

and its settings are then called ``denoising.method`` and ``denoising.seconds``. Where the node
offers a setting of the core under its own name or with another default, `inherited` takes it over:

        max_infrared_age: float = inherited(PipelineConfig, "max_infrared_age", default=2.0)

After a change run `python -m lut_fuse_ros.parameters.docs --write`.
"""

from lut_fuse_core.settings.declaration import Setting, Value, inherited, setting, settings_of
from lut_fuse_core.settings.values import check_settings, from_values, values_of

__all__ = [
    "Setting",
    "Value",
    "check_settings",
    "from_values",
    "inherited",
    "setting",
    "settings_of",
    "values_of",
]
