import KernelHeaders
import Testing
import TracingClient

@Suite struct ToolEnvironmentTests {
    @Test func namesTheTreeForEachTool() throws {
        let id = try #require(BuildID("0abc"))
        let plain = ToolEnvironment(tree: "/c/tree", buildID: id, btf: nil).variables
        #expect(
            plain.map { "\($0.name)=\($0.value)" } == [
                "KHEADER_TREE=/c/tree", "KHEADER_BUILD_ID=0abc", "BCC_KERNEL_SOURCE=/c/tree",
                "BPFTRACE_KERNEL_SOURCE=/c/tree", "BPFTRACE_KERNEL_BUILD=/c/tree",
            ])
        let btf = ToolEnvironment(tree: "/c/tree", buildID: id, btf: "/c/vmlinux").variables
        #expect(btf.dropLast().elementsEqual(plain) { $0 == $1 })
        #expect(btf.last?.name == "BPFTRACE_BTF" && btf.last?.value == "/c/vmlinux")
    }
}
