"""Fuses two cameras: `ros2 launch lut_fuse_ros lut_fuse.launch.py visible_topic:=... `.

`ros2 launch lut_fuse_ros lut_fuse.launch.py --show-args` lists the arguments.
"""

from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from lut_fuse_ros.middleware.large_images import room_for_images

SHARE = Path(get_package_share_directory("lut_fuse_ros"))

SIDES = ("visible", "infrared", "fused")

ARGUMENTS = {
    "visible_topic": ("visible/image_raw", "Image topic of the visible camera."),
    "infrared_topic": ("infrared/image_raw", "Image topic of the infrared (thermal) camera."),
    "fused_topic": ("fused/image", "Image topic to publish on."),
    "visible_info_topic": ("", "camera_info of the visible camera; default: beside its images."),
    "infrared_info_topic": ("", "camera_info of the infrared camera; default: beside its images."),
    "fused_info_topic": ("", "camera_info of the fused image; default: beside it."),
    "namespace": ("", "Namespace of the node and of relative topics."),
    "name": ("fusion_node", "Name of the node."),
    "params_file": (str(SHARE / "config" / "lut_fuse.yaml"), "YAML file with parameters."),
    "model": ("", "Model name or file; default: that of the parameter file."),
    "backend": ("", "Backend (see 'lut-fuse backends'); default: that of the parameter file."),
    "autostart": ("true", "Configure and activate at the start; false leaves it to a manager."),
    "use_sim_time": (
        "",
        "Take the time from /clock (bags, simulation); default: that of the "
        "parameter file (RViz: false), or of the launch file around this one.",
    ),
    "log_level": ("info", "debug, info, warn, error or fatal."),
    "rviz": ("false", "Show visible, infrared and fused image in RViz, where it is installed."),
}

INTERRUPTED = (0, 130, -2, -15)
"""Exit statuses of a process that was asked to end."""


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """What to start. Whatever can fail is looked up here, before anything starts: launch ends
    without what it started in the same moment."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    file = Path(given["params_file"]).expanduser()
    if given["params_file"] and not file.is_file():
        raise RuntimeError(f"params_file:={file} is not a file")
    parameters = [
        str(file) if given["params_file"] else "",
        # Only what was asked for, so that the parameter file has its say.
        {name: given[name] for name in ("model", "backend") if given[name]},
        {name: _truth(given, name) for name in ("autostart", "use_sim_time") if given[name]},
    ]
    viewer = _viewer(given, context)
    return [
        Node(
            package="lut_fuse_ros",
            executable="fusion_node",
            name=given["name"],
            namespace=given["namespace"],
            parameters=[entry for entry in parameters if entry],
            remappings=_remappings(given, ""),
            arguments=["--ros-args", "--log-level", given["log_level"]],
            output="screen",
            on_exit=_ended,
        ),
        *viewer,
    ]


def _ended(event: ProcessExited, _: LaunchContext) -> None:
    """End the launch with a status of its own where the node failed, on bad parameters say."""
    if event.returncode not in INTERRUPTED:
        raise RuntimeError(f"fusion_node ended with exit status {event.returncode}")


def _viewer(given: dict[str, str], context: LaunchContext) -> list[LaunchDescriptionEntity]:
    if not _truth(given, "rviz"):
        return []
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        text = (
            "rviz:=true is ignored: RViz is not installed (sudo apt install ros-$ROS_DISTRO-rviz2)"
        )
        return [LogInfo(msg=text)]
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=given["namespace"],
            arguments=["-d", str(SHARE / "config" / "lut_fuse.rviz")],
            remappings=_remappings(given, "/"),
            parameters=[{"use_sim_time": _truth(given, "use_sim_time")}]
            if given["use_sim_time"]
            else [],
            additional_env=room_for_images(context.environment),
        )
    ]


def _truth(given: dict[str, str], name: str) -> bool:
    """An argument as every spelling of YAML and of the shell has it."""
    word = given[name].lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise RuntimeError(f"{name}:={given[name]} is neither true nor false")


def _remappings(given: dict[str, str], root: str) -> list[tuple[str, str]]:
    infos = _info_topics(given)
    return [
        (f"{root}visible/image_raw", given["visible_topic"]),
        (f"{root}infrared/image_raw", given["infrared_topic"]),
        (f"{root}fused/image", given["fused_topic"]),
        *((f"{root}{side}/camera_info", infos[side]) for side in SIDES),
    ]


def _info_topics(given: dict[str, str]) -> dict[str, str]:
    """The camera_info of each image: as given, else beside it, where image_transport expects it.

    Where that is taken already, since several images lie in one namespace, below the image's name:
    else the node would hear itself, or take one camera for the other.
    """
    infos = {side: given[f"{side}_info_topic"] for side in SIDES}
    for side, info in infos.items():
        if not info:
            topic = given[f"{side}_topic"]
            beside = _beside(topic)
            infos[side] = f"{topic}/camera_info" if beside in infos.values() else beside
    return infos


def _beside(topic: str) -> str:
    return f"{topic.rpartition('/')[0]}/camera_info" if "/" in topic else "camera_info"
