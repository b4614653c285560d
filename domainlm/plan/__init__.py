"""Memory, compute, choice of model and the numbers stored: known before a GPU is paid for, without one."""
