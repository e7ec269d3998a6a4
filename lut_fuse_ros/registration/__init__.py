"""Registration from tf and by live calibration."""
