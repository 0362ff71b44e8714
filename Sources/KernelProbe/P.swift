enum PlaceholderKernelProbe {}
