"""Compiles one of the programs as a tracing tool does, with stock bcc, and loads it where the machine allows it.

    load.py FILE.c [FUNCTION]
"""

import sys

from bcc import BPF

module = BPF(src_file=sys.argv[1])
for function in sys.argv[2:]:
    module.load_func(function, BPF.KPROBE)
