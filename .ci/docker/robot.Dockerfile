# The node on a robot or a workstation: docker build -f .ci/docker/robot.Dockerfile \
#     --build-arg ROS_DISTRO=jazzy -t lut_fuse_ros:jazzy .
# ROS_DISTRO: humble, jazzy, kilted, lyrical or rolling. x86-64 and arm64.
ARG ROS_DISTRO=jazzy

FROM ros:${ROS_DISTRO}-ros-base AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /ws
COPY . src/lut_fuse_ros
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src -y --rosdistro "$ROS_DISTRO" \
    && rm -rf /var/lib/apt/lists/*
RUN source "/opt/ros/$ROS_DISTRO/setup.bash" \
    && colcon build --packages-select lut_fuse_ros --install-base /opt/lut_fuse_ros --merge-install

FROM ros:${ROS_DISTRO}-ros-base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY package.xml /tmp/src/lut_fuse_ros/package.xml
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths /tmp/src --ignore-src -y --rosdistro "$ROS_DISTRO" \
        --dependency-types exec \
    && rm -rf /var/lib/apt/lists/* /tmp/src \
    && useradd --system --uid 900 --create-home robot
COPY --from=build /opt/lut_fuse_ros /opt/lut_fuse_ros
# ros_entrypoint.sh of the base image sources ROS; our packages lie beside it.
RUN echo "source /opt/lut_fuse_ros/local_setup.bash" >> "/opt/ros/$ROS_DISTRO/setup.bash"
# By number, so that a host that forbids root can tell that this is not root.
USER 900
CMD ["ros2", "launch", "lut_fuse_ros", "lut_fuse.launch.py"]
