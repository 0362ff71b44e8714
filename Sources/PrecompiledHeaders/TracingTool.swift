/// The tools that compile against a kernel's headers, and know how to be told where these are.
public enum TracingTool: String, Sendable, CaseIterable, Codable {
    case bcc, bpftrace, clang
}
