"""Files of thermal cameras: one small adapter per maker around the field's own readers."""
