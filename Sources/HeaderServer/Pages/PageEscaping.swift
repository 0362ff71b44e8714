import KernelHeaders
import Mustache

/// How text becomes part of a page. Everything that a page shows goes through here: releases, compilers' words, agents'
/// reasons are whatever a host sent.
///
/// By scalars, not by characters as swift-mustache does it: a quote with an accent behind it is another character, and
/// would end an attribute. What turns or hides the text around it (bidirectional formatting, zero-width characters) is
/// shown as its code.
struct PageEscaping: MustacheContentType {
    /// As templates name it.
    static let name = "SCALARS"

    func escapeText(_ text: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\n", "\t": escaped.unicodeScalars.append(scalar)
            case _ where scalar.misleads:
                escaped += "[U+" + String(scalar.value, radix: 16, uppercase: true) + "]"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
