"""Kyivstar FMC, the virtual mobile PBX: call records and originating calls."""
