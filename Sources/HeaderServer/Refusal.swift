import HTTPTypes
import KernelHeaders

/// A problem whose answer has fields of its own.
struct Refusal: Error {
    let problem: Problem
    let fields: HTTPFields
}
