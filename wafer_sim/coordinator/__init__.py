"""The control plane as a state machine: events in, instructions out, without sockets, threads or clocks."""
