"""From a program to work for the fabric: each pass takes a kernel graph and gives one."""
