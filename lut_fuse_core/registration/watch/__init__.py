"""Notices while it runs that infrared does not lie where the registration puts it, and why."""

from lut_fuse_core.registration.watch.rig_watch import RigState, RigWatch

__all__ = ["RigState", "RigWatch"]
