# The node on a Jetson, with its GPU: docker build -f .ci/docker/jetson.Dockerfile \
#     --build-arg JETPACK_IMAGE=... --build-arg ROS_DISTRO=humble --build-arg CUPY=cupy-cuda12x .
# JETPACK_IMAGE: NVIDIA's l4t-jetpack image of your JetPack with ROS 2 on it, for instance one of
# dusty-nv's: dustynv/ros:humble-ros-base-l4t-r36.4.0 (JetPack 6: Ubuntu 22.04, Humble, CUDA 12);
# for JetPack 7 one of Ubuntu 24.04 with Jazzy and CUDA 13 (CUPY=cupy-cuda13x).
ARG JETPACK_IMAGE
FROM ${JETPACK_IMAGE}
ARG ROS_DISTRO=humble
ARG CUPY=cupy-cuda12x
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The image has its own OpenCV and ROS: only what is missing is installed, and NumPy stays as it is.
# hadolint ignore=DL3013
RUN python3 -m pip install --no-cache-dir "$CUPY" "numpy==$(python3 -c 'import numpy; print(numpy.__version__)')"
WORKDIR /ws
COPY . src/lut_fuse_ros
RUN setup=$(find /opt/ros -name setup.bash -path "*$ROS_DISTRO*" | head -n 1) \
    && source "$setup" \
    && colcon build --packages-select lut_fuse_ros --install-base /opt/lut_fuse_ros --merge-install
CMD ["bash", "-c", "source /opt/lut_fuse_ros/setup.bash && exec ros2 launch lut_fuse_ros lut_fuse.launch.py"]
