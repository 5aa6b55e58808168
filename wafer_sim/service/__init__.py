"""The coordinator as a process: gRPC servicers, the shell of the state machine, the supervisor of wafer processes."""
