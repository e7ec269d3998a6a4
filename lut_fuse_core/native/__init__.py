"""The C++ library that fuses on the CPU, and its bindings."""
