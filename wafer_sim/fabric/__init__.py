"""The model of the fabric: where a model's kernels lie on the wafer, how fast it runs there, and what limits it.

work (what the compiler gives)  machine (numbers, machines/*.toml)  cost (cycles of a kernel on a rectangle)  timing
(when a sample is where)  memory  sizing (cores for a speed)  packing (rectangles)  placement  replicas  pipeline and
streaming (the two strategies)  estimate (the door), result (what it gives), records (that as JSON)  screen, artefacts,
page with drawing (that for people and files)  simulation (events, to hold the closed form to)  published with layers
(what real machines were reported to do)
"""
