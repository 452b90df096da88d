"""The test rig: real servers, a fault proxy and a scripted server. Loopback only, ports chosen by the system."""
