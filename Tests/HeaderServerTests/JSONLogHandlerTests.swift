import FoundationEssentials
import HeaderServer
import Logging
import Synchronization
import Testing

@Suite struct JSONLogHandlerTests {
    @Test func aLineOfTheLogIsAnObject() throws {
        let lines = Mutex<[String]>([])
        var logger = Logger(label: "x") { _ in JSONLogHandler { line in lines.withLock { $0.append(line) } } }
        logger[metadataKey: "a"] = "of the logger"
        logger[metadataKey: "b"] = ["nested": ["1", "\"2\""]]
        logger.info("line\n\u{1B}[31m \"x\"", metadata: ["a": "of the line", "message": "not the message"])
        logger.debug("not asked for")
        let all = lines.withLock { $0 }
        try #require(all.count == 1)
        #expect(all[0].hasSuffix("}\n") && all[0].dropLast().utf8.allSatisfy { $0 >= 0x20 })
        let entry = try JSONDecoder().decode([String: String].self, from: Data(all[0].utf8))
        #expect(entry["message"] == "line\n\u{1B}[31m \"x\"" && entry["level"] == "info")
        #expect(entry["a"] == "of the line" && entry["b"]?.contains("nested") == true)
        #expect(entry["time"]?.hasSuffix("Z") == true)
    }
}
