import FoundationEssentials
import KHeaderTestSupport
import KernelHeaders
import OperatorDocuments
import Testing

@Suite struct ListCommandTests {
    @Test func kernelsAreATableForPeopleAndJSONForPrograms() async throws {
        try await withRunningServer { server in
            try await PushedKernel(
                SmallKernel(release: "6.1.0-2-amd64", hasLargeFile: false), id: "bb", in: server.folder
            )
            .push(to: server)
            try await PushedKernel(
                SmallKernel(release: "6.1.0-1-amd64", hasLargeFile: false), id: "aa", in: server.folder
            )
            .push(to: server)
            let table = try await run("kheader", "kernels", "list", "--server", server.url)
            let lines = table.text.split(separator: "\n")
            #expect(lines.count == 3)
            #expect(lines[0].hasPrefix("RELEASE") && lines[0].contains("BUILD ID"))
            #expect(lines[1].hasPrefix("6.1.0-1-amd64") && lines[2].hasPrefix("6.1.0-2-amd64"))
            let json = try await run("kheader", "kernels", "list", "--format", "json", "--server", server.url)
            let kernels = try JSONDecoder().decode([KernelSummary].self, from: Data(json.output))
            #expect(kernels.map { $0.identity.buildID.description } == ["aa", "bb"])
            #expect(kernels.allSatisfy { $0.source == .push && $0.identity.architecture?.machine == "x86_64" })
        }
    }

    @Test func anEmptyStoreHasAnEmptyList() async throws {
        try await withRunningServer { server in
            let json = try await run("kheader", "kernels", "list", "--format", "json", "--server", server.url)
            #expect(json.status == 0)
            #expect(try JSONDecoder().decode([KernelSummary].self, from: Data(json.output)).isEmpty)
            let table = try await run("kheader", "kernels", "list", "--server", server.url)
            #expect(table.status == 0 && table.errors == "kheader: this server has no kernel yet.\n")
            let filtered = try await run("kheader", "kernels", "list", "--pinned", "--server", server.url)
            #expect(filtered.status == 0 && filtered.errors == "kheader: no kernel is like that.\n")
        }
    }

    /// A list of kernels has those of which there is BTF only, too.
    @Test func whatIsCountedAsAKernelIsSaid() async throws {
        try await withRunningServer { server in
            let kernel = try StoredKernel(id: 1, revision: 1)
            try await server.store.put(kernel)
            try await server.store.put(btf: SmallBTF.bytes(), of: try StoredKernel(id: 2, revision: 1).id)
            let status = try await run("kheader", "store", "status", "--server", server.url)
            #expect(status.text.contains(/kernels with headers +1/), "\(status.text)")
        }
    }

    @Test func theStoreTellsWhatItHolds() async throws {
        try await withRunningServer { server in
            try await PushedKernel(in: server.folder).push(to: server)
            let json = try await run("kheader", "store", "status", "--format", "json", "--server", server.url)
            let status = try JSONDecoder().decode(StoreStatus.self, from: Data(json.output))
            #expect(status.kernels == 1)
            #expect(status.packBytes > 0 && status.packBytes < status.rawBytes)
            #expect(try #require(status.diskFreeBytes) <= #require(status.diskBytes) && status.isReadOnly == false)
            #expect(status.jobsWaiting == 0 && status.diskReservedBytes == 0)
            let table = try await run("kheader", "store", "status", "--server", server.url)
            #expect(table.status == 0 && table.text.contains("free on the disk") && !table.text.contains("refused"))
        }
    }
}
