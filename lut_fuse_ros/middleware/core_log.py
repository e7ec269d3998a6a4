"""What the core logs, in the log of the node."""

from __future__ import annotations

import logging
from typing import Any

CORE = logging.getLogger("lut_fuse_core")


class CoreLog(logging.Handler):
    """Forwards the core's records to a ROS logger, each with its severity, from any thread.

    ROS decides what is shown: its log levels hold for these records as for the node's own.

    Args:
        logger: As `Node.get_logger` returns it.
    """

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger
        CORE.addHandler(self)
        CORE.setLevel(logging.DEBUG)

    def close(self) -> None:
        """Forward no more; may be called twice."""
        CORE.removeHandler(self)
        if not any(isinstance(handler, CoreLog) for handler in CORE.handlers):
            CORE.setLevel(logging.NOTSET)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            self._forward(record.levelno, self.format(record))
        except Exception:
            self.handleError(record)

    def _forward(self, level: int, text: str) -> None:
        # A line for each: rclpy ties each place that logs to one severity.
        if level >= logging.CRITICAL:
            self._logger.fatal(text)
        elif level >= logging.ERROR:
            self._logger.error(text)
        elif level >= logging.WARNING:
            self._logger.warning(text)
        elif level >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)
