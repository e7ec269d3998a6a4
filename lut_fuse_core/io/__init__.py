"""Reading and writing: images, videos, ROS messages, data sets."""
