internal import ArgumentParser
internal import KernelHeaders

/// One kernel of the server's.
struct KnownKernelArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp("The kernel's build ID, as 'kheader kernels list' shows it.", valueName: "build-id"),
        transform: BuildIDArgument.parse)
    var buildID: BuildID
}
