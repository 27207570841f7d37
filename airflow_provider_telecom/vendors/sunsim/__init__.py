"""SunSim: callbacks, call lists with recordings, and the settings of the virtual PBX."""
