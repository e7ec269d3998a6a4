"""The ROS 2 front-end of LUT-Fuse: a lifecycle node around `lut_fuse_core.FusionPipeline`.

Modules that do not need ROS (parameters, mailbox, meters, health) import none of it.
"""
