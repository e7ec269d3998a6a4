"""The node at work, no camera needed: `ros2 launch lut_fuse_ros demo.launch.py`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

LAUNCH = Path(get_package_share_directory("lut_fuse_ros")) / "launch"

SCENE = {
    "width": ("640", "Width of the images.", int),
    "height": ("480", "Height of the images.", int),
    "rate": ("30.0", "Pairs per second.", float),
    "frames": ("60", "Frames rendered before they repeat.", int),
    "day": ("false", "Daylight instead of night.", bool),
}
PASSED_ON = {
    "namespace": ("", "Namespace of everything."),
    "model": ("", "Model name or file."),
    "backend": ("", "Backend (see 'lut-fuse backends')."),
    "rviz": ("false", "Show all three images in RViz, where it is installed."),
}


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    arguments = {name: facts[:2] for name, facts in SCENE.items()} | PASSED_ON
    cameras = Node(
        package="lut_fuse_ros",
        executable="synthetic_cameras",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                for name, (_, _, kind) in SCENE.items()
            }
        ],
        output="screen",
        on_exit=Shutdown(reason="the cameras ended"),
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH / "lut_fuse.launch.py")),
        launch_arguments={name: LaunchConfiguration(name) for name in PASSED_ON}.items(),
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in arguments.items()
            ),
            LogInfo(
                msg="Watch it: rviz:=true here, or 'ros2 run rqt_image_view rqt_image_view "
                "/fused/image', or 'ros2 topic hz /fused/image'. Ctrl-C ends."
            ),
            node,  # first: what it needs is looked up before the cameras start
            cameras,
        ]
    )
