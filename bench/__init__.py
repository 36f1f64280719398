"""Benchmarks: speed and memory of the main paths beside what a user would otherwise write, in one run.

Belongs here: whatever ``make bench`` measures. Does not belong here: correctness (``tests``), although every baseline is compared with our
output before its time counts. Results are kept in ``bench/results``, inputs and outputs in ``bench/tmp``, which can be deleted.

How it is measured: memory is touched first, because pages that the host has not backed yet cost a
variable amount of system time; every variant runs in a process of its own; variants are interleaved; medians are compared, minimum and
maximum are shown, and a spread above 1.3 is called noisy.
"""
