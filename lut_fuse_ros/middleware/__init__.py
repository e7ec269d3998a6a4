"""Topics, QoS and settings of the DDS."""
