"""Finding the registration of a rig: with a board seen by both cameras, or from ordinary pairs."""
