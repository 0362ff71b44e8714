import Testing

@testable import HeaderTransport

@Suite struct ResponseHeadTests {
    private func head(_ lines: String...) -> ResponseHead {
        var head = ResponseHead()
        for line in lines {
            let isTaken = head.take(line)
            #expect(isTaken)
        }
        return head
    }

    @Test func statusAndFieldsAreRead() {
        let head = head(
            "HTTP/1.1 200 OK\r\n", "Content-Length: 12\r\n", "CONTENT-TYPE:Application/JSON ; charset=utf-8\r\n", "\r\n"
        )
        #expect(head.status == 200)
        #expect(head.contentLength == 12)
        #expect(head.mediaType == "application/json")
        #expect(head["content-type"] == "Application/JSON ; charset=utf-8")
        #expect(head["date"] == nil)
    }

    @Test func theLastOfSeveralHeadsCounts() {
        let head = head(
            "HTTP/1.1 100 Continue\r\n", "\r\n", "HTTP/1.1 302 Found\r\n", "Location: /other\r\n", "\r\n",
            "HTTP/2 404\r\n", "Date: now\r\n", "\r\n")
        #expect(head.status == 404)
        #expect(head["location"] == nil)
        #expect(head["date"] == "now")
    }

    @Test(arguments: ["-1", "x", "", "99999999999999999999"])
    func aLengthThatIsNoneIsNone(value: String) {
        #expect(head("HTTP/1.1 200 OK\r\n", "Content-Length: \(value)\r\n").contentLength == nil)
    }

    @Test(arguments: ["no colon at all\r\n", "\r\n", "", "HTTP/\r\n", "HTTP/1.1 many\r\n"])
    func nonsenseIsPassedOver(line: String) {
        let head = head(line)
        #expect(head.status == 0)
        #expect(head.fields.isEmpty)
    }

    @Test func fieldsHaveALimit() {
        var head = ResponseHead()
        let line = "X: " + String(repeating: "y", count: 1021)
        for _ in 0..<64 {
            let isTaken = head.take(line)
            #expect(isTaken)
        }
        let isTaken = head.take(line)
        #expect(!isTaken)
    }
}

extension ResponseHead {
    fileprivate mutating func take(_ line: String) -> Bool {
        Array(line.utf8).withUnsafeBytes { add(line: $0) }
    }
}
