// swift-tools-version: 6.2
import PackageDescription

// In CI (the variable that every CI service sets) a warning fails the build. Elsewhere a newer compiler's new
// warning must not keep a newcomer from building.
let warningsAreErrors: [SwiftSetting] =
    Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]

let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + warningsAreErrors

// The loops over every byte of an archive (tar headers, delta coding, decompressors' callbacks) are 20 times slower
// unoptimised; the demo and the tests share the debug build and run them over hundreds of megabytes.
let byteLoops: [SwiftSetting] = settings + [.unsafeFlags(["-O"], .when(configuration: .debug))]

// What agents link asks for its types by calls: to find them by their names, as compilers do it to save code, the runtime
// searches all conformances of the program for each argument of a generic type, which took an agent half its start.
let light: [SwiftSetting] = [
    .unsafeFlags(
        ["-Xfrontend", "-disable-concrete-type-metadata-mangled-name-accessors"], .when(configuration: .release))
]

func test(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["KHeaderTestSupport"], swiftSettings: settings)
}

// An agent is on every host of a fleet. Nothing of it is for others to link with, so that what it does not use itself goes
// away; equal code is there once; the addresses that the loader has to fill in are listed in a short form (glibc 2.36); and
// what a check-in runs lies side by side (`make link-order`), or a page here and a page there would make all of it resident.
let small: [LinkerSetting] = [
    .unsafeFlags(
        [
            "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "--icf=all", "-Xlinker", "-z", "-Xlinker",
            "pack-relative-relocs", "-Xlinker", "--as-needed", "-Xlinker",
            "--symbol-ordering-file=\(Context.packageDirectory)/Sources/kheader-agent/link-order.txt", "-Xlinker",
            "--no-warn-symbol-ordering",
        ], .when(platforms: [.linux], configuration: .release))
]

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

let package = Package(
    name: "kheaderd",
    products: [
        .executable(name: "kheaderd", targets: ["kheaderd"]),
        .executable(name: "kheader", targets: ["kheader"]),
        .executable(name: "kheader-agent", targets: ["kheader-agent"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // No traits: full Foundation would add ICU data, and configuration is read by HeaderServer itself.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        // Needs the headers of liblzma, libzstd and zlib to build (Debian: liblzma-dev, libzstd-dev, zlib1g-dev), and loads
        // each when it is first used.
        .target(name: "CCompression"),
        // Needs libcurl's headers to build (Debian: libcurl4-openssl-dev), and loads the library when it is first used.
        .target(name: "CCurl"),
        // System calls that Glibc's module has no function for.
        .target(name: "CLinux"),
        // openapi/openapi.yaml as bytes.
        .target(name: "COpenAPI"),

        .target(name: "KernelHeaders", swiftSettings: byteLoops + light),
        // Not for what agents link: a program keeps every Codable type of its modules, used or not.
        .target(name: "OperatorDocuments", dependencies: ["KernelHeaders"], swiftSettings: settings),
        .target(
            name: "HeaderArchive", dependencies: ["KernelHeaders", "CCompression", crypto],
            swiftSettings: byteLoops + light),
        .target(
            name: "KernelProbe", dependencies: ["HeaderArchive", "KernelHeaders", "CLinux", crypto],
            swiftSettings: byteLoops + light),
        .target(
            name: "PrecompiledHeaders",
            dependencies: [
                "KernelProbe", "HeaderArchive", "OperatorDocuments", "KernelHeaders",
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: byteLoops),
        .target(
            name: "HeaderTransport", dependencies: ["HeaderArchive", "KernelHeaders", "CCurl"],
            swiftSettings: settings + light),
        .target(
            name: "HostAgent",
            dependencies: ["HeaderTransport", "KernelProbe", "HeaderArchive", "KernelHeaders"],
            swiftSettings: settings + light),
        .target(
            name: "TracingClient",
            dependencies: [
                "HeaderTransport", "PrecompiledHeaders", "KernelProbe", "HeaderArchive", "OperatorDocuments",
                "KernelHeaders",
            ], swiftSettings: byteLoops),
        .target(
            name: "HeaderStore",
            dependencies: [
                "HeaderArchive", "OperatorDocuments", "KernelHeaders", "CCompression", "CLinux", crypto, logging,
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: byteLoops),
        .target(
            name: "HeaderServer",
            dependencies: [
                "HeaderStore", "HeaderArchive", "PrecompiledHeaders", "OperatorDocuments", "KernelHeaders", "COpenAPI",
                hummingbird, logging,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Mustache", package: "swift-mustache"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "RawStructuredFieldValues", package: "swift-http-structured-headers"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        .executableTarget(
            name: "kheaderd",
            // The transport's tables and times for people; what it needs libcurl for is not called.
            dependencies: [
                "HeaderServer", "HeaderStore", "HeaderTransport", "KernelHeaders", logging,
                argumentParser,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "kheader",
            dependencies: [
                "TracingClient", "HeaderTransport", "PrecompiledHeaders", "KernelProbe", "HeaderArchive",
                "OperatorDocuments", "KernelHeaders", argumentParser,
            ], swiftSettings: settings),
        .executableTarget(
            name: "kheader-agent",
            dependencies: [
                "HostAgent", "HeaderTransport", "KernelProbe", "HeaderArchive", "KernelHeaders", argumentParser,
            ], exclude: ["link-order.txt"], swiftSettings: settings + light, linkerSettings: small),

        // What tests share: archives and trees made on the spot, temporary folders, a running server.
        .target(
            name: "KHeaderTestSupport",
            dependencies: [
                "HeaderServer", "HeaderStore", "HeaderTransport", "HeaderArchive", "OperatorDocuments", "KernelHeaders",
                logging,
            ],
            path: "Tests/KHeaderTestSupport", swiftSettings: settings),
        // The server with a file system that kills the process at the n-th step.
        .executableTarget(
            name: "CrashingServer",
            dependencies: [
                "HeaderServer", "HeaderStore", "KHeaderTestSupport", "KernelHeaders", logging,
            ],
            path: "Tests/CrashingServer", swiftSettings: settings),
        // A hundred thousand agents in one process.
        .executableTarget(
            name: "FleetSimulation",
            dependencies: [
                "HostAgent", "HeaderTransport", "HeaderArchive", "KHeaderTestSupport", "KernelHeaders", argumentParser,
            ],
            path: "Tests/FleetSimulation", swiftSettings: settings),
        // What an agent does with its privileges before all else: they belong to a whole process.
        .executableTarget(
            name: "PrivilegedProcess", dependencies: ["KernelProbe", "HeaderArchive"],
            path: "Tests/PrivilegedProcess", swiftSettings: settings),
        test("KernelHeadersTests", ["KernelHeaders"]),
        test("OperatorDocumentsTests", ["OperatorDocuments", "KernelHeaders"]),
        test("HeaderArchiveTests", ["HeaderArchive", "KernelHeaders"]),
        test("KernelProbeTests", ["KernelProbe", "HeaderArchive", "KernelHeaders", "CLinux", "PrivilegedProcess"]),
        test(
            "HeaderTransportTests",
            [
                "TracingClient", "HeaderTransport", "HeaderArchive", "OperatorDocuments", "KernelHeaders",
                "HeaderServer", "HeaderStore", "kheaderd",
            ]),
        test(
            "TracingClientTests",
            [
                "TracingClient", "HeaderTransport", "PrecompiledHeaders", "KernelProbe", "HeaderArchive",
                "OperatorDocuments", "KernelHeaders",
            ]),
        test("HostAgentTests", ["HostAgent", "HeaderTransport", "HeaderStore", "HeaderArchive", "KernelHeaders"]),
        test(
            "PrecompiledHeadersTests",
            ["PrecompiledHeaders", "KernelProbe", "HeaderArchive", "OperatorDocuments", "KernelHeaders"]),
        test("HeaderStoreTests", ["HeaderStore", "HeaderArchive", "OperatorDocuments", "KernelHeaders", logging]),
        test(
            "HeaderServerTests",
            [
                "HeaderServer", "HeaderStore", "HeaderTransport", "HeaderArchive", "PrecompiledHeaders",
                "OperatorDocuments", "KernelHeaders", "CrashingServer", hummingbird, logging,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]),
        test(
            "CommandTests",
            [
                "kheader", "kheaderd", "kheader-agent", "HostAgent", "HeaderStore", "PrecompiledHeaders",
                "HeaderArchive",
                "OperatorDocuments", "KernelHeaders",
            ]),
    ],
    swiftLanguageModes: [.v6]
)
